// Threads share the queries. Each gathers the items of a query, values them and sorts out the best.
#include "fuse.h"

#include <math.h>
#include <stdlib.h>

#include "cores.h"
#include "keyed.h"
#include "threads.h"

enum { ENTRIES_PER_THREAD = 1 << 14 };  // for fewer, about 150 us, it does not pay to wake one

typedef struct {
  fused_items fused;
  keyed* entries;     // one per item
  keyed* scratch;     // as long
  entry_place fault;  // the first that this thread met; list -1 for none
} workspace;

typedef struct {
  const ranked_lists* lists;
  int64_t k;
  fusion_method method;
  fusion_norm norm;
  float* scores;
  int64_t* ids;
  workspace* workspaces;  // one per thread
} fuse_call;

static int64_t entries_per_query(const ranked_lists* lists) {
  int64_t count = 0;
  for (int64_t s = 0; s < lists->num_lists; s++) count += lists->lists[s].length;
  return count;
}

static int64_t best_num_threads(const ranked_lists* lists) {
  int64_t useful = lists->num_queries * entries_per_query(lists) / ENTRIES_PER_THREAD;
  if (useful < 2) return 1;
  int64_t cores = available_cores();
  return cores < useful ? cores : useful;
}

static int create(workspace* work, int64_t num_entries, int64_t num_lists) {
  size_t length = (size_t)num_entries + 1;
  int result = fused_items_create(&work->fused, num_entries, num_lists);
  work->entries = malloc(length * sizeof(keyed));
  work->scratch = malloc(length * sizeof(keyed));
  work->fault.list = -1;
  return work->entries && work->scratch ? result : OUT_OF_MEMORY;
}

static void release(workspace* work) {
  fused_items_release(&work->fused);
  free(work->entries);
  free(work->scratch);
}

// Drops what cannot be among the `wanted` best, if that is worth it; equal keys stay together.
static int64_t drop_worst(keyed* entries, int64_t count, int64_t wanted, uint64_t* keys) {
  int64_t kept = 0;
  if (wanted == 0) return 0;
  if (count <= wanted + wanted / 2) return count;
  for (int64_t i = 0; i < count; i++) keys[i] = entries[i].key;
  uint64_t least = kth_largest(keys, count, wanted);
  for (int64_t i = 0; i < count; i++) {
    entries[kept] = entries[i];
    kept += entries[i].key >= least;
  }
  return kept;
}

// Puts runs of equal keys in the order of their ids.
static void break_ties(keyed* entries, int64_t count, const fused_item* items, keyed* scratch) {
  for (int64_t first = 0, end; first < count; first = end) {
    for (end = first + 1; end < count && entries[end].key == entries[first].key;) end++;
    if (end == first + 1) continue;
    for (int64_t i = first; i < end; i++)
      entries[i].key = (uint64_t)(INT64_MAX - items[entries[i].position].id);
    sort_keyed(entries + first, end - first, scratch);
  }
}

static void write_best(const fuse_call* call, int64_t query, workspace* work) {
  const fused_items* fused = &work->fused;
  float* scores = call->scores + query * call->k;
  int64_t* ids = call->ids + query * call->k;
  int64_t count = fused->num_items, wanted = call->k < count ? call->k : count;
  for (int64_t i = 0; i < count; i++) {
    double value = fused->values[i + 1];
    work->entries[i].key =
        call->method == ROUND_ROBIN ? float64_key(value) : float32_key((float)value);
    work->entries[i].position = i + 1;
  }
  count = drop_worst(work->entries, count, wanted, (uint64_t*)work->scratch);
  sort_keyed(work->entries, count, work->scratch);
  break_ties(work->entries, count, fused->items, work->scratch);
  for (int64_t i = 0; i < wanted; i++) {
    int64_t item = work->entries[i].position;
    double value = call->method == ROUND_ROBIN ? 1.0 / (double)(i + 1) : fused->values[item];
    scores[i] = (float)value;
    ids[i] = fused->items[item].id;
  }
  for (int64_t i = wanted; i < call->k; i++) {
    scores[i] = -INFINITY;
    ids[i] = -1;
  }
}

static void fuse_query(void* context, int64_t thread, int64_t query) {
  const fuse_call* call = context;
  workspace* work = &call->workspaces[thread];
  if (work->fault.list >= 0) return;  // the tasks of a thread rise: an earlier query failed
  int64_t place, list = gather_items(&work->fused, call->lists, query, &place);
  if (list >= 0) {
    work->fault = (entry_place){query, list, place};
    return;
  }
  value_items(&work->fused, call->lists, call->method, call->norm);
  write_best(call, query, work);
}

static int first_fault(const workspace* workspaces, int64_t num_threads, entry_place* fault) {
  int result = 0;
  for (int64_t t = 0; t < num_threads; t++) {
    if (workspaces[t].fault.list < 0) continue;
    if (result == 0 || workspaces[t].fault.query < fault->query) *fault = workspaces[t].fault;
    result = BAD_ENTRY;
  }
  return result;
}

int fuse(const ranked_lists* lists, int64_t k, fusion_method method, fusion_norm norm,
         int64_t num_threads, float* scores, int64_t* ids, entry_place* fault) {
  workspace workspaces[MAX_THREADS];
  int64_t num_entries = entries_per_query(lists), created = 0;
  int result = 0;
  if (num_threads == 0) num_threads = best_num_threads(lists);
  if (num_threads > lists->num_queries) num_threads = lists->num_queries;
  if (num_threads > MAX_THREADS) num_threads = MAX_THREADS;
  while (created < num_threads && result == 0)
    result = create(&workspaces[created++], num_entries, lists->num_lists);
  if (result == 0) {
    fuse_call call = {lists, k, method, norm, scores, ids, workspaces};
    run_tasks(num_threads, lists->num_queries, fuse_query, &call);
    result = first_fault(workspaces, num_threads, fault);
  }
  for (int64_t t = 0; t < created; t++) release(&workspaces[t]);
  return result;
}
