# Part of _cpu.pyx: neighbourhoods of sparse matrices.

cdef extern from "kernels.h" nogil:
    ctypedef struct csr_matrix:
        int64_t num_rows, num_columns, num_values
        const int64_t *indptr
        const int32_t *indices
        const float *data
    ctypedef struct history_set:
        int64_t num_queries
        const int64_t *indptr
        const int32_t *rows
        const float *weights

    int c_similar_rows "similar_rows"(const csr_matrix *, const csr_matrix *, int64_t, double, int64_t *, int32_t *,
                                      float *)
    int c_score_neighbours "score_neighbours"(const csr_matrix *, const history_set *, const int64_t *, int64_t,
                                              float *, int64_t *)
    int c_search_neighbours "search_neighbours"(const csr_matrix *, const history_set *, int64_t, const filter_set *,
                                                float *, int64_t *, int64_t *)


cdef csr_matrix _csr(const int64_t[::1] indptr, const int32_t[::1] indices, const float[::1] data,
                     int64_t num_columns) noexcept:
    return csr_matrix(indptr.shape[0] - 1, num_columns, indices.shape[0], &indptr[0], &indices[0], &data[0])


def similar_rows(const int64_t[::1] indptr not None, const int32_t[::1] indices not None,
                 const float[::1] data not None, const int64_t[::1] transposed_indptr not None,
                 const int32_t[::1] transposed_indices not None, const float[::1] transposed_data not None, int64_t k,
                 double shrinkage, int64_t[::1] out_indptr not None, int32_t[::1] out_indices not None,
                 float[::1] out_data not None):
    cdef csr_matrix matrix = _csr(indptr, indices, data, transposed_indptr.shape[0] - 1)
    cdef csr_matrix transposed = _csr(transposed_indptr, transposed_indices, transposed_data, indptr.shape[0] - 1)
    cdef int result
    with nogil:
        result = c_similar_rows(&matrix, &transposed, k, shrinkage, &out_indptr[0], &out_indices[0], &out_data[0])
    _check(result)


def score_neighbours(const int64_t[::1] indptr not None, const int32_t[::1] indices not None,
                     const float[::1] data not None, int64_t num_columns, const int64_t[::1] history_indptr not None,
                     const int32_t[::1] rows not None, const float[::1] weights not None,
                     const int64_t[:, ::1] candidates not None, float[:, ::1] scores not None):
    cdef csr_matrix matrix = _csr(indptr, indices, data, num_columns)
    cdef history_set history = history_set(history_indptr.shape[0] - 1, &history_indptr[0], &rows[0], &weights[0])
    cdef int64_t bad_row = -1
    cdef int result
    with nogil:
        result = c_score_neighbours(&matrix, &history, &candidates[0, 0], candidates.shape[1], &scores[0, 0], &bad_row)
    _check(result, bad_row)


def search_neighbours(const int64_t[::1] indptr not None, const int32_t[::1] indices not None,
                      const float[::1] data not None, int64_t num_columns, const int64_t[::1] history_indptr not None,
                      const int32_t[::1] rows not None, const float[::1] weights not None,
                      const uint8_t[:, ::1] mask, const int64_t[::1] exclude_indptr, const int64_t[::1] exclude,
                      float[:, ::1] scores not None, int64_t[:, ::1] found not None):
    cdef csr_matrix matrix = _csr(indptr, indices, data, num_columns)
    cdef history_set history = history_set(history_indptr.shape[0] - 1, &history_indptr[0], &rows[0], &weights[0])
    cdef filter_set filters = _filter_set(mask, _position_lists(None, None), _position_lists(exclude_indptr, exclude))
    cdef int64_t bad_row = -1
    cdef int result
    with nogil:
        result = c_search_neighbours(&matrix, &history, scores.shape[1], &filters, &scores[0, 0], &found[0, 0],
                                     &bad_row)
    _check(result, bad_row)
