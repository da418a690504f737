# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Hands arrays to the C functions of kernels.h. Callers have checked every shape and range (see backend.py).

The parts beside the index are in neighbours.pxi, fusion.pxi, diversity.pxi and rules.pxi; what only tests call is in
testing.pxi.
"""

from libc.stdlib cimport calloc, free
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "simd/scan.h" nogil:
    cdef int STRIP, GROUP
    ctypedef struct code_strip:
        const uint8_t *codes
        const float *inverses
        int64_t num_groups, num_quads
    ctypedef struct query_block:
        const int8_t *codes
        int64_t stride, num_queries
        const float *limits
        const float *units
        const float *margins
        const float *offsets
        int64_t offsets_stride
    ctypedef struct scan_hit:
        uint16_t item, query
        int32_t sum


cdef extern from "simd/simd.h" nogil:
    ctypedef struct simd_set:
        const char *name
        int (*is_supported)() noexcept nogil
        int64_t (*scan)(const code_strip *, const query_block *, scan_hit *) noexcept nogil
        int max_query_code

    const simd_set *const *simd_sets(int *count)


cdef extern from "cores.h" nogil:
    int64_t c_available_cores "available_cores"()


cdef extern from "kernels.h" nogil:
    cdef int OUT_OF_MEMORY, BAD_ROW
    ctypedef enum metric_kind:
        INNER_PRODUCT, COSINE, EUCLIDEAN, PEARSON
    ctypedef struct chunk:
        pass
    ctypedef struct item_store:
        metric_kind metric
        int64_t num_items, dim, chunk_shift
        const chunk *chunks
    ctypedef struct id_table:
        uint32_t *slots
        int64_t num_slots
    ctypedef struct bias_rows:
        const float *values
        int64_t num_rows
    ctypedef struct scored:
        double score
        int64_t id
    ctypedef struct range_list:
        scored *entries
        int64_t count
    ctypedef struct search_counts:
        int64_t num_rescored, num_exhaustive
    ctypedef struct position_lists:
        const int64_t *indptr
        const int64_t *positions
        int64_t num_lists
    ctypedef struct filter_set:
        const uint8_t *mask_bits
        int64_t mask_rows, mask_bytes
        position_lists allow, exclude
    ctypedef struct score_matrix:
        const float *float32
        const double *float64
        int64_t num_rows, num_columns

    int c_append_items "append_items"(item_store *, const id_table *, const int64_t *, const float *, int64_t)
    int c_replace_vectors "replace_vectors"(const item_store *, const int64_t *, const float *, int64_t)
    int c_remove_items "remove_items"(item_store *, const id_table *, const int64_t *, int64_t)
    void c_copy_vectors "copy_vectors"(const item_store *, const int64_t *, int64_t, float *)
    void c_find_items "find_items"(const item_store *, const id_table *, const int64_t *, int64_t, int64_t,
                                 int64_t *)
    void table_insert(const item_store *, const id_table *, int64_t)
    int c_all_finite "all_finite"(const float *, int64_t, int64_t)
    int c_score "score"(const simd_set *, const item_store *, const float *, int64_t, const int64_t *, int64_t, float *)
    int c_search "search"(const simd_set *, const item_store *, const float *, int64_t, int64_t, const filter_set *,
                          const bias_rows *, int64_t, float *, int64_t *, search_counts *)
    int c_search_range "search_range"(const simd_set *, const item_store *, const float *, int64_t, const double *,
                                      const filter_set *, const bias_rows *, int64_t, range_list *)
    int c_topk "topk"(const simd_set *, const score_matrix *, int64_t, int64_t, void *, int64_t *)


def simd_names():
    """The instruction sets compiled in, best first, each with whether this machine can run it."""
    cdef int count
    cdef const simd_set *const *sets = simd_sets(&count)
    return [(sets[i].name.decode(), bool(sets[i].is_supported())) for i in range(count)]


cdef const simd_set *_simd(int place) noexcept nogil:
    cdef int count
    return simd_sets(&count)[place]


cdef _check(int result, int64_t bad_row=-1):
    if result == OUT_OF_MEMORY:
        raise MemoryError("kernels: out of memory")
    if result == BAD_ROW:
        raise ValueError(
            f"neighbours must have indptr and indices in range and finite data, got a bad row {bad_row}")


cdef item_store _items(store):
    # The table holds the addresses of the arrays of each chunk, as struct chunk lays them out (store.py).
    cdef uint64_t[:, ::1] table = store.chunks.table
    return item_store(<metric_kind><int>store.metric_number, store.count, store.dim, store.chunk_shift,
                      <const chunk *>&table[0, 0])


cdef id_table _slots(store):
    cdef uint32_t[::1] slots = store.slots
    return id_table(&slots[0], slots.shape[0])


cdef position_lists _position_lists(const int64_t[::1] indptr, const int64_t[::1] positions) noexcept:
    if indptr is None:
        return position_lists(NULL, NULL, 0)
    return position_lists(&indptr[0], &positions[0], indptr.shape[0] - 1)


cdef filter_set _filter_set(const uint8_t[:, ::1] mask, position_lists allow, position_lists exclude) noexcept:
    if mask is None:
        return filter_set(NULL, 0, 0, allow, exclude)
    return filter_set(&mask[0, 0], mask.shape[0], mask.shape[1], allow, exclude)


def append_items(store, const int64_t[::1] ids not None, const float[:, ::1] vectors not None):
    """The store has room for them, and counts them before any signal is handled."""
    cdef item_store items = _items(store)
    cdef id_table table = _slots(store)
    cdef int result
    with nogil:
        result = c_append_items(&items, &table, &ids[0], &vectors[0, 0], ids.shape[0])
    store.count = items.num_items
    _check(result)


def replace_vectors(store, const int64_t[::1] positions not None, const float[:, ::1] vectors not None):
    cdef item_store items = _items(store)
    cdef int result
    with nogil:
        result = c_replace_vectors(&items, &positions[0], &vectors[0, 0], positions.shape[0])
    _check(result)


def remove_items(store, const int64_t[::1] descending not None):
    """The store counts them before any signal is handled."""
    cdef item_store items = _items(store)
    cdef id_table table = _slots(store)
    cdef int result
    with nogil:
        result = c_remove_items(&items, &table, &descending[0], descending.shape[0])
    store.count = items.num_items
    _check(result)


def copy_vectors(store, const int64_t[::1] positions not None, float[:, ::1] vectors not None):
    cdef item_store items = _items(store)
    with nogil:
        c_copy_vectors(&items, &positions[0], positions.shape[0], &vectors[0, 0])


def find_items(store, const int64_t[::1] ids not None, int64_t num_threads, int64_t[::1] positions not None):
    cdef item_store items = _items(store)
    cdef id_table table = _slots(store)
    with nogil:
        c_find_items(&items, &table, &ids[0], ids.shape[0], num_threads, &positions[0])


def enter_items(store, uint32_t[::1] slots not None):
    """Fills the free slots of a new table."""
    cdef item_store items = _items(store)
    cdef id_table table = id_table(&slots[0], slots.shape[0])
    cdef int64_t position
    with nogil:
        for position in range(items.num_items):
            table_insert(&items, &table, position)


def score(int simd, store, const float[:, ::1] queries not None, const int64_t[:, ::1] positions not None,
          float[:, ::1] scores not None):
    cdef item_store items = _items(store)
    cdef int result
    with nogil:
        result = c_score(_simd(simd), &items, &queries[0, 0], queries.shape[0], &positions[0, 0], positions.shape[1],
                         &scores[0, 0])
    _check(result)


def search(int simd, store, const float[:, ::1] queries not None, const uint8_t[:, ::1] mask,
           const int64_t[::1] allow_indptr, const int64_t[::1] allow, const int64_t[::1] exclude_indptr,
           const int64_t[::1] exclude, const float[:, ::1] bias, int64_t num_threads, float[:, ::1] scores not None,
           int64_t[:, ::1] found not None):
    """How many items were scored in float64 after a scan, and how many queries scored all."""
    cdef item_store items = _items(store)
    cdef filter_set filters = _filter_set(
        mask, _position_lists(allow_indptr, allow), _position_lists(exclude_indptr, exclude))
    cdef bias_rows added = bias_rows(NULL, 0)
    cdef search_counts counts
    cdef int result
    if bias is not None:
        added = bias_rows(&bias[0, 0], bias.shape[0])
    with nogil:
        result = c_search(_simd(simd), &items, &queries[0, 0], queries.shape[0], scores.shape[1], &filters, &added,
                          num_threads, &scores[0, 0], &found[0, 0], &counts)
    _check(result)
    return counts.num_rescored, counts.num_exhaustive


cdef _fill(const range_list *found, float[::1] scores, int64_t[::1] ids):
    cdef int64_t i
    for i in range(found.count):
        scores[i] = <float>found.entries[i].score
        ids[i] = found.entries[i].id


def search_range(int simd, store, const float[:, ::1] queries not None, const double[::1] least_scores not None,
                 const uint8_t[:, ::1] mask, const int64_t[::1] allow_indptr, const int64_t[::1] allow,
                 const int64_t[::1] exclude_indptr, const int64_t[::1] exclude, const float[:, ::1] bias,
                 int64_t num_threads, empty):
    """For each query an array of scores and one of ids, which `empty(count)` makes."""
    cdef item_store items = _items(store)
    cdef filter_set filters = _filter_set(
        mask, _position_lists(allow_indptr, allow), _position_lists(exclude_indptr, exclude))
    cdef bias_rows added = bias_rows(NULL, 0)
    cdef int64_t num_queries = queries.shape[0], q
    cdef int result
    cdef range_list *found = <range_list *>calloc(num_queries + 1, sizeof(range_list))
    if not found:
        raise MemoryError("kernels: out of memory")
    if bias is not None:
        added = bias_rows(&bias[0, 0], bias.shape[0])
    try:
        with nogil:
            result = c_search_range(_simd(simd), &items, &queries[0, 0], num_queries, &least_scores[0], &filters,
                                    &added, num_threads, found)
        _check(result)
        answers = [empty(found[q].count) for q in range(num_queries)]
        for q, (scores, ids) in enumerate(answers):
            _fill(&found[q], scores, ids)
        return answers
    finally:
        for q in range(num_queries):
            free(found[q].entries)
        free(found)


def topk_float32(int simd, const float[:, ::1] scores not None, int64_t num_threads, float[:, ::1] values not None,
                 int64_t[:, ::1] positions not None):
    cdef score_matrix matrix = score_matrix(&scores[0, 0], NULL, scores.shape[0], scores.shape[1])
    cdef int result
    with nogil:
        result = c_topk(_simd(simd), &matrix, positions.shape[1], num_threads, &values[0, 0], &positions[0, 0])
    _check(result)


def topk_float64(int simd, const double[:, ::1] scores not None, int64_t num_threads, double[:, ::1] values not None,
                 int64_t[:, ::1] positions not None):
    cdef score_matrix matrix = score_matrix(NULL, &scores[0, 0], scores.shape[0], scores.shape[1])
    cdef int result
    with nogil:
        result = c_topk(_simd(simd), &matrix, positions.shape[1], num_threads, &values[0, 0], &positions[0, 0])
    _check(result)


def all_finite(const float[::1] values not None, int64_t num_threads):
    """Whether none of them is NaN or infinite."""
    cdef int result
    with nogil:
        result = c_all_finite(&values[0], values.shape[0], num_threads)
    return bool(result)


def available_cores():
    """How many cores this process may use: its affinity mask and the quota of its cgroup, at least 1."""
    return c_available_cores()


include "neighbours.pxi"
include "fusion.pxi"
include "diversity.pxi"
include "rules.pxi"
include "testing.pxi"
