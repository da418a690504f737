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

    ctypedef enum similarity_kind:
        WHOLE_COSINE
    ctypedef struct similarity_measure:
        similarity_kind kind
        double shrinkage, min_overlap
    ctypedef struct given_rows:
        csr_matrix matrix
        const int64_t *owners
        int is_whole
    ctypedef struct compared_rows:
        csr_matrix by_column
        const double *squares
        const double *norms
        const int64_t *sizes
        const double *column_means
    ctypedef struct neighbour_blocks:
        pass
    ctypedef struct rating_pairs:
        int64_t num_groups
        const int64_t *starts
        const int64_t *rows
        const int64_t *columns
    ctypedef struct rating_centres:
        double mean
        const double *rows
        const double *columns

    void c_transpose "transpose"(const csr_matrix *, int64_t *, int32_t *, float *)
    void c_row_totals "row_totals"(const csr_matrix *, double *, double *)
    int c_similar_rows "similar_rows"(const given_rows *, const compared_rows *, int64_t, const similarity_measure *,
                                      int64_t, int64_t *, neighbour_blocks *)
    void join_blocks(const neighbour_blocks *, int32_t *, float *)
    void release_blocks(neighbour_blocks *)
    int c_predict_ratings "predict_ratings"(const given_rows *, const compared_rows *, const csr_matrix *,
                                            const similarity_measure *, const rating_pairs *, const rating_centres *,
                                            int64_t, int64_t, int64_t, double *)
    int c_score_neighbours "score_neighbours"(const csr_matrix *, const history_set *, const int64_t *, int64_t,
                                              float *, int64_t *)
    int c_search_neighbours "search_neighbours"(const csr_matrix *, const history_set *, int64_t, const filter_set *,
                                                float *, int64_t *, int64_t *)


cdef csr_matrix _csr(const int64_t[::1] indptr, const int32_t[::1] indices, const float[::1] data,
                     int64_t num_columns) noexcept:
    return csr_matrix(indptr.shape[0] - 1, num_columns, indices.shape[0], &indptr[0], &indices[0], &data[0])


# The tuples of arrays.py; they own the arrays that these point to.
cdef csr_matrix _matrix(matrix):
    return _csr(matrix.indptr, matrix.indices, matrix.data, matrix.shape[1])


cdef given_rows _given(given):
    cdef const int64_t[::1] owners = given.owners_G
    return given_rows(_csr(given.indptr, given.indices, given.data, given.num_columns), &owners[0],
                      given.is_whole)


cdef compared_rows _compared(compared):
    cdef const double[::1] squares = compared.squares_R, norms = compared.norms_R, means = compared.column_means_C
    cdef const int64_t[::1] sizes = compared.sizes_R
    return compared_rows(_matrix(compared.by_column), &squares[0], &norms[0], &sizes[0], &means[0])


cdef similarity_measure _measure(measure):
    return similarity_measure(<similarity_kind><int>measure.number, measure.shrinkage, max(1, measure.min_overlap))


def transpose(matrix, int64_t[::1] indptr not None, int32_t[::1] indices not None, float[::1] data not None):
    cdef csr_matrix rows = _matrix(matrix)
    with nogil:
        c_transpose(&rows, &indptr[0], &indices[0], &data[0])


def row_totals(matrix, double[::1] sums not None, double[::1] squares not None):
    cdef csr_matrix rows = _matrix(matrix)
    with nogil:
        c_row_totals(&rows, &sums[0], &squares[0])


cdef _join(const neighbour_blocks *found, int32_t[::1] indices, float[::1] data):
    join_blocks(found, &indices[0], &data[0])


def similar_rows(given, compared, int64_t k, measure, int64_t num_threads, int64_t[::1] indptr not None, empty):
    """Fills indptr, and returns the indices and the data, which `empty(count)` makes."""
    cdef given_rows rows = _given(given)
    cdef compared_rows others = _compared(compared)
    cdef similarity_measure by = _measure(measure)
    cdef neighbour_blocks found
    cdef int result
    with nogil:
        result = c_similar_rows(&rows, &others, k, &by, num_threads, &indptr[0], &found)
    try:
        _check(result)
        indices, data = empty(indptr[indptr.shape[0] - 1])
        _join(&found, indices, data)
        return indices, data
    finally:
        release_blocks(&found)


def predict_ratings(given, compared, alike, measure, pairs, centring, int64_t k, int64_t min_k, int64_t num_threads,
                    double[::1] predictions not None):
    """By `alike`, or where it is None by `measure`."""
    cdef given_rows rows = _given(given)
    cdef compared_rows others = _compared(compared)
    cdef csr_matrix similarities
    cdef similarity_measure by
    cdef const int64_t[::1] starts = pairs.starts_G, pair_rows = pairs.rows_G, columns = pairs.columns_P
    cdef const double[::1] row_centres = centring.rows_R, column_centres = centring.columns_C
    cdef rating_pairs asked = rating_pairs(pair_rows.shape[0], &starts[0], &pair_rows[0], &columns[0])
    cdef rating_centres centres = rating_centres(centring.mean, &row_centres[0], &column_centres[0])
    cdef const csr_matrix *known = NULL
    cdef int result
    if alike is None:
        by = _measure(measure)
    else:
        similarities = _matrix(alike)
        known = &similarities
    with nogil:
        result = c_predict_ratings(&rows, &others, known, &by, &asked, &centres, k, min_k, num_threads,
                                   &predictions[0])
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
