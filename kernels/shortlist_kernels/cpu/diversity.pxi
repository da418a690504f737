# Part of _cpu.pyx: re-ranking for diversity.

cdef extern from "kernels.h" nogil:
    int c_mmr "mmr"(const simd_set *, const float *, const double *, int64_t, int64_t, int64_t, int64_t,
                    const double *, int64_t *, double *)


def mmr(int simd, const float[:, :, ::1] vectors not None, const double[:, ::1] scores not None,
        const double[::1] diversity not None, int64_t[:, ::1] order not None, double[::1] lost not None):
    cdef int result
    with nogil:
        result = c_mmr(_simd(simd), &vectors[0, 0, 0], &scores[0, 0], vectors.shape[0], vectors.shape[1],
                       vectors.shape[2], order.shape[1], &diversity[0], &order[0, 0], &lost[0])
    _check(result)
