# Part of _cpu.pyx: what only tests call.

cdef extern from "cores.h" nogil:
    int64_t c_quota_cores "quota_cores"(const char *)


cdef extern from "threads.h" nogil:
    void c_run_tasks "run_tasks"(int64_t, int64_t, void (*)(void *, int64_t, int64_t) noexcept nogil, void *)


def quota_cores(const char *root):
    """For tests: the quota that the files under `root` set, see cores.h."""
    return c_quota_cores(root)


ctypedef struct tally:
    volatile int64_t *runs_T
    volatile int64_t *steps_P
    int64_t num_steps


cdef void _count(void *context, int64_t thread, int64_t task) noexcept nogil:
    cdef tally *counts = <tally *>context
    cdef int64_t step
    counts.runs_T[task] += 1
    for step in range(counts.num_steps):
        counts.steps_P[thread] += 1


def count_tasks(int64_t num_threads, int64_t num_steps, int64_t[::1] runs_T not None, int64_t[::1] steps_P not None):
    """For tests: a call of the pool whose tasks count themselves, and their steps by thread.

    Steps are lost where two tasks run under the same number of thread at once.
    """
    cdef tally counts = tally(&runs_T[0], &steps_P[0], num_steps)
    cdef int64_t num_tasks = runs_T.shape[0]
    with nogil:
        c_run_tasks(num_threads, num_tasks, _count, &counts)


def max_query_code(int simd):
    """The largest absolute code of a query that `scan` takes."""
    return _simd(simd).max_query_code


def scan(int simd, const uint8_t[::1] codes not None, int64_t num_quads, const float[::1] inverses not None,
         const int8_t[:, ::1] query_codes not None, const float[::1] limits not None, const float[::1] units not None,
         const float[::1] margins not None, const float[:, ::1] offsets, scan_hit[::1] hits not None):
    """For tests: the scan of one strip as in scan.h. Returns how many hits it wrote."""
    cdef code_strip strip = code_strip(&codes[0], &inverses[0], inverses.shape[0] // GROUP, num_quads)
    cdef query_block queries = query_block(&query_codes[0, 0], query_codes.shape[1], limits.shape[0], &limits[0],
                                           &units[0], &margins[0], NULL, 0)
    cdef int64_t count
    if offsets is not None:
        queries.offsets = &offsets[0, 0]
        queries.offsets_stride = STRIP if offsets.shape[0] > 1 else 0
    with nogil:
        count = _simd(simd).scan(&strip, &queries, &hits[0])
    return count
