# Part of _cpu.pyx: re-ranking by rules.

cdef extern from "kernels.h" nogil:
    ctypedef struct candidate_rows:
        const double *scores
        const int64_t *groups
        int64_t num_queries, num_items
    ctypedef struct reranking:
        int64_t *order
        double *lost
        int64_t k
    ctypedef struct membership_rows:
        const int64_t *indptr
        const int64_t *groups
        const double *weights
        int64_t num_rows, num_groups

    int c_calibrate "calibrate"(const simd_set *, const candidate_rows *, const membership_rows *, const double *,
                                const double *, int64_t, const reranking *)
    int c_capped "capped"(const simd_set *, const candidate_rows *, const int64_t *, int64_t, const int64_t *, int64_t,
                          int64_t, int64_t, int64_t, const reranking *)
    int c_exposure "exposure"(const simd_set *, const candidate_rows *, const double *, const double *, int64_t,
                              int64_t, const reranking *)


cdef candidate_rows _candidate_rows(const double[:, ::1] scores, const int64_t[:, ::1] groups) noexcept:
    cdef candidate_rows rows = candidate_rows(&scores[0, 0], NULL, scores.shape[0], scores.shape[1])
    if groups is not None:
        rows.groups = &groups[0, 0]
    return rows


cdef reranking _reranking(int64_t[:, ::1] order, double[::1] lost) noexcept:
    return reranking(&order[0, 0], &lost[0], order.shape[1])


def calibrate(int simd, const double[:, ::1] scores not None, const int64_t[:, ::1] rows,
              const int64_t[::1] indptr not None, const int64_t[::1] groups not None,
              const double[::1] weights not None, const double[:, ::1] targets not None,
              const double[::1] strengths not None, int64_t num_threads, int64_t[:, ::1] order not None,
              double[::1] lost not None):
    cdef candidate_rows candidates = _candidate_rows(scores, rows)
    cdef membership_rows memberships = membership_rows(&indptr[0], &groups[0], &weights[0], indptr.shape[0] - 1,
                                                       targets.shape[1])
    cdef reranking out = _reranking(order, lost)
    cdef int result
    with nogil:
        result = c_calibrate(_simd(simd), &candidates, &memberships, &targets[0, 0], &strengths[0], num_threads, &out)
    _check(result)


def capped(int simd, const double[:, ::1] scores not None, const int64_t[:, :, ::1] slots not None,
           const int64_t[::1] caps not None, int64_t window, int64_t max_displacement, int64_t num_threads,
           int64_t[:, ::1] order not None, double[::1] lost not None):
    cdef candidate_rows candidates = _candidate_rows(scores, None)
    cdef reranking out = _reranking(order, lost)
    cdef int result
    with nogil:
        result = c_capped(_simd(simd), &candidates, &slots[0, 0, 0], slots.shape[0], &caps[0], caps.shape[0], window,
                          max_displacement, num_threads, &out)
    _check(result)


def exposure(int simd, const double[:, ::1] scores not None, const int64_t[:, ::1] groups not None,
             const double[:, ::1] min_shares not None, const double[:, ::1] max_shares not None, int64_t num_threads,
             int64_t[:, ::1] order not None, double[::1] lost not None):
    cdef candidate_rows candidates = _candidate_rows(scores, groups)
    cdef reranking out = _reranking(order, lost)
    cdef int result
    with nogil:
        result = c_exposure(_simd(simd), &candidates, &min_shares[0, 0], &max_shares[0, 0], min_shares.shape[1],
                            num_threads, &out)
    _check(result)
