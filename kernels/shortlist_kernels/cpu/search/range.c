// All items whose score reaches a query's least score: the codes tell which may, and those are
// scored.
#include <math.h>
#include <stdlib.h>

#include "store.h"
#include "strips.h"
#include "threads.h"

enum { SMALLEST_LIST = 64, PREFETCH_AHEAD = 4, QUERIES_PER_PASS = QUERY_BLOCK };

typedef struct {
  strip_walk walk;
  candidate_list* lists;  // rows of num_threads, one per query
  range_list* found;      // of the queries of the pass
  atomic_int is_out_of_memory;
} range_run;

static void take(void* context, int64_t thread, int64_t q, candidate entry) {
  range_run* run = context;
  candidate_list* list = &run->lists[q * run->walk.num_threads + thread];
  if (list->size == list->capacity) {
    int64_t capacity = list->capacity ? 2 * list->capacity : SMALLEST_LIST;
    candidate* entries = realloc(list->entries, (size_t)capacity * sizeof(candidate));
    if (!entries) {
      atomic_store(&run->is_out_of_memory, 1);
      return;
    }
    list->entries = entries;
    list->capacity = capacity;
  }
  list->entries[list->size++] = entry;
}

static void score_list(const range_run* run, int64_t q, const candidate_list* list,
                       range_list* found) {
  const strip_walk* walk = &run->walk;
  double least = read_floor(&walk->floors[q]);
  for (int64_t i = 0; i < list->size; i++) {
    if (i + PREFETCH_AHEAD < list->size)
      prefetch_item(walk->call->items, list->entries[i + PREFETCH_AHEAD].position);
    uint32_t position = list->entries[i].position;
    double score = exact_score(walk->call, walk->queries, walk->first_query, q, position);
    if (score >= least)
      found->entries[found->count++] = (scored){score, id_at(walk->call->items, position)};
  }
}

static void finish_query(void* context, int64_t thread, int64_t q) {
  (void)thread;
  range_run* run = context;
  candidate_list* lists = run->lists + q * run->walk.num_threads;
  range_list* found = &run->found[q];
  size_t total = 0;
  for (int64_t i = 0; i < run->walk.num_threads; i++) total += (size_t)lists[i].size;
  found->entries = malloc((total ? total : 1) * sizeof(scored));
  if (!found->entries) {
    atomic_store(&run->is_out_of_memory, 1);
    return;
  }
  for (int64_t i = 0; i < run->walk.num_threads; i++) score_list(run, q, &lists[i], found);
  best_list best = {found->entries, 0, found->count};
  for (int64_t i = 0; i < found->count; i++) best_take(&best, found->entries[i]);
  best_sort(&best);
}

static int run_pass(const search_call* call, const coded_queries* queries, int64_t first_query,
                    const double* least_scores, range_list* found) {
  int64_t num_threads = call->num_threads;
  size_t num_lists = (size_t)(queries->count * num_threads);
  range_run run = {
      .walk = {call, queries, first_query, num_threads, .offer = take, .context = &run},
      .found = found + first_query,
  };
  run.walk.floors = malloc((size_t)queries->count * sizeof(shared_floor));
  run.walk.scratch = malloc((size_t)num_threads * sizeof(strip_scratch));
  run.lists = calloc(num_lists, sizeof(candidate_list));
  atomic_init(&run.is_out_of_memory, !run.walk.floors || !run.walk.scratch || !run.lists);
  if (!atomic_load(&run.is_out_of_memory)) {
    for (int64_t q = 0; q < queries->count; q++)
      atomic_init(&run.walk.floors[q], least_scores[first_query + q]);
    walk_strips(&run.walk, 1);
    run_tasks(num_threads, queries->count, finish_query, &run);
  }
  for (size_t i = 0; run.lists && i < num_lists; i++) free(run.lists[i].entries);
  free(run.lists);
  free(run.walk.floors);
  free(run.walk.scratch);
  return atomic_load(&run.is_out_of_memory) ? OUT_OF_MEMORY : 0;
}

int search_range(const simd_set* simd, const item_store* items, const float* queries,
                 int64_t num_queries, const double* least_scores, const filter_set* filters,
                 const bias_rows* bias, int64_t num_threads, range_list* found) {
  if (num_queries == 0 || items->num_items == 0) return 0;
  search_call call = {
      .simd = simd,
      .items = items,
      .filters = filters,
      .bias = bias,
      .num_threads = num_threads < MAX_THREADS ? num_threads : MAX_THREADS,
  };
  coded_queries coded;
  int result = create_queries(&coded, QUERIES_PER_PASS, items->dim);
  for (int64_t first = 0; first < num_queries && result == 0; first += QUERIES_PER_PASS) {
    int64_t left = num_queries - first;
    code_queries(&coded, items->metric, items->dim, simd->max_query_code,
                 queries + first * items->dim, left < QUERIES_PER_PASS ? left : QUERIES_PER_PASS);
    result = run_pass(&call, &coded, first, least_scores, found);
  }
  release_queries(&coded);
  return result;
}
