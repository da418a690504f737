# Part of _cpu.pyx: fusion of ranked lists.

from libc.stdlib cimport malloc


cdef extern from "kernels.h" nogil:
    cdef int BAD_ENTRY
    ctypedef enum fusion_method:
        pass
    ctypedef enum fusion_norm:
        pass
    ctypedef struct ranked_list:
        const int64_t *ids
        const float *float32
        const double *float64
        int64_t length, ids_stride, scores_stride
        double weight
    ctypedef struct ranked_lists:
        const ranked_list *lists
        int64_t num_lists, num_queries
    ctypedef struct entry_place:
        int64_t query, list, place

    int c_fuse "fuse"(const ranked_lists *, int64_t, fusion_method, fusion_norm, int64_t, float *, int64_t *,
                      entry_place *)


cdef ranked_list _ranked_list(const int64_t[:, :] ids, scores, double weight):
    # Rows lie anywhere, the values of a row side by side.
    cdef const float[:, :] float32
    cdef const double[:, :] float64
    cdef ranked_list made = ranked_list(&ids[0, 0], NULL, NULL, ids.shape[1], ids.strides[0] // 8, 0, weight)
    if scores.itemsize == 4:
        float32 = scores
        made.float32, made.scores_stride = &float32[0, 0], float32.strides[0] // 4
    else:
        float64 = scores
        made.float64, made.scores_stride = &float64[0, 0], float64.strides[0] // 8
    return made


def fuse(tuple ids not None, tuple scores not None, const double[::1] weights not None, int method, int norm,
         int64_t num_threads, float[:, ::1] found_scores not None, int64_t[:, ::1] found_ids not None):
    """None, or the query, the list and the place in it of an entry that cannot be taken."""
    cdef int64_t num_lists = weights.shape[0], k = found_ids.shape[1], s
    cdef ranked_lists lists = ranked_lists(NULL, num_lists, found_ids.shape[0])
    cdef entry_place fault
    cdef int result
    cdef ranked_list *made = <ranked_list *>malloc(num_lists * sizeof(ranked_list))
    if not made:
        raise MemoryError("kernels: out of memory")
    try:
        for s in range(num_lists):
            made[s] = _ranked_list(ids[s], scores[s], weights[s])
        lists.lists = made
        with nogil:
            result = c_fuse(&lists, k, <fusion_method>method, <fusion_norm>norm, num_threads, &found_scores[0, 0],
                            &found_ids[0, 0], &fault)
    finally:
        free(made)
    if result == BAD_ENTRY:
        return fault.query, fault.list, fault.place
    _check(result)
    return None
