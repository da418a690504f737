# Part of _cpu.pyx: re-ranking for diversity.

cdef extern from "kernels.h" nogil:
    ctypedef struct candidate_batch:
        const float *vectors
        const double *scores
        int64_t num_queries, num_items, dim

    int c_mmr "mmr"(const simd_set *, const candidate_batch *, const double *, int64_t, int64_t, int64_t *, double *)
    int c_dpp "dpp"(const simd_set *, const candidate_batch *, const double *, int64_t, int64_t, int64_t *, double *)


cdef candidate_batch _candidates(const float[:, :, ::1] vectors, const double[:, ::1] scores) noexcept:
    return candidate_batch(&vectors[0, 0, 0], &scores[0, 0], vectors.shape[0], vectors.shape[1], vectors.shape[2])


def mmr(int simd, const float[:, :, ::1] vectors not None, const double[:, ::1] scores not None,
        const double[::1] diversity not None, int64_t num_threads, int64_t[:, ::1] order not None,
        double[::1] lost not None):
    cdef candidate_batch batch = _candidates(vectors, scores)
    cdef int result
    with nogil:
        result = c_mmr(_simd(simd), &batch, &diversity[0], order.shape[1], num_threads, &order[0, 0], &lost[0])
    _check(result)


def dpp(int simd, const float[:, :, ::1] vectors not None, const double[:, ::1] scores not None,
        const double[:, ::1] weights not None, int64_t num_threads, int64_t[:, ::1] order not None,
        double[::1] lost not None):
    cdef candidate_batch batch = _candidates(vectors, scores)
    cdef int result
    with nogil:
        result = c_dpp(_simd(simd), &batch, &weights[0, 0], order.shape[1], num_threads, &order[0, 0], &lost[0])
    _check(result)
