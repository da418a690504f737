// Exact search: every allowed item is scored in float64, the best k are kept in a heap per query
// and part. A part is a range of items; strips of items stay in the cache while all queries pass
// over them.
#include <stdlib.h>

#include "filter.h"
#include "select.h"
#include "threads.h"
#include "vectors.h"

enum { STRIP = 256 };

typedef struct {
  const simd_set* simd;
  const vector_set* items;
  const filter_set* filters;
  const float* bias;
  int64_t num_queries, num_parts;
  double* queries;   // num_queries rows of padded_dim
  double* norms;     // one per query
  best_list* lists;  // num_parts rows of num_queries
} search_state;

static void offer(const search_state* state, best_list* best, int64_t query, int64_t position,
                  double score) {
  if (state->bias) score += (double)state->bias[position];
  scored entry = {score, state->items->ids[position]};
  if (!best_admits(best, entry)) return;
  if (!mask_allows(mask_of(state->filters, query), position)) return;
  if (list_holds(list_of(&state->filters->exclude, query), position)) return;
  best_take(best, entry);
}

static int any_allowed(const uint8_t* mask, int64_t first, int64_t count) {
  if (!mask) return 1;
  for (int64_t byte = first / 8; byte < (first + count + 7) / 8; byte++)
    if (mask[byte]) return 1;
  return 0;
}

static void scan_strip(const search_state* state, best_list* lists, int64_t first, int64_t count) {
  double scores[STRIP];
  for (int64_t q = 0; q < state->num_queries; q++) {
    if (!any_allowed(mask_of(state->filters, q), first, count)) continue;
    const double* query = state->queries + q * padded_dim(state->items->dim);
    score_rows(state->simd, state->items, query, state->norms[q], first, count, scores);
    for (int64_t i = 0; i < count; i++) offer(state, &lists[q], q, first + i, scores[i]);
  }
}

static void score_listed(const search_state* state, best_list* lists, int64_t begin, int64_t end) {
  for (int64_t q = 0; q < state->num_queries; q++) {
    position_list allow = list_of(&state->filters->allow, q);
    const double* query = state->queries + q * padded_dim(state->items->dim);
    for (int64_t i = lower_bound(allow, begin); i < allow.count && allow.positions[i] < end; i++) {
      double score;
      score_rows(state->simd, state->items, query, state->norms[q], allow.positions[i], 1, &score);
      offer(state, &lists[q], q, allow.positions[i], score);
    }
  }
}

static void search_part(void* context, int64_t thread, int64_t part) {
  (void)thread;
  const search_state* state = context;
  int64_t num_strips = (state->items->num_items + STRIP - 1) / STRIP;
  int64_t begin = num_strips * part / state->num_parts * STRIP;
  int64_t end = num_strips * (part + 1) / state->num_parts * STRIP;
  if (end > state->items->num_items) end = state->items->num_items;
  best_list* lists = state->lists + part * state->num_queries;
  if (state->filters->allow.indptr) {
    score_listed(state, lists, begin, end);
    return;
  }
  for (int64_t first = begin; first < end; first += STRIP)
    scan_strip(state, lists, first, end - first < STRIP ? end - first : STRIP);
}

static void write_best(const search_state* state, int64_t query, int64_t k, float* scores,
                       int64_t* ids) {
  best_list* best = &state->lists[query];
  for (int64_t part = 1; part < state->num_parts; part++) {
    const best_list* other = &state->lists[part * state->num_queries + query];
    for (int64_t i = 0; i < other->size; i++)
      if (best_admits(best, other->entries[i])) best_take(best, other->entries[i]);
  }
  best_sort(best);
  for (int64_t i = 0; i < best->size; i++) {
    scores[query * k + i] = (float)best->entries[i].score;
    ids[query * k + i] = best->entries[i].id;
  }
}

static int64_t parts_for(int64_t num_items, int64_t num_threads) {
  int64_t num_strips = (num_items + STRIP - 1) / STRIP;
  int64_t parts = num_threads < num_strips ? num_threads : num_strips;
  return parts < MAX_THREADS ? parts : MAX_THREADS;
}

static void run_search(search_state* state, const float* queries, scored* entries,
                       int64_t capacity) {
  int64_t dim = state->items->dim;
  for (int64_t q = 0; q < state->num_queries; q++)
    state->norms[q] = prepare_query(state->items->metric, queries + q * dim, dim,
                                    state->queries + q * padded_dim(dim));
  for (int64_t i = 0; i < state->num_parts * state->num_queries; i++)
    state->lists[i] = (best_list){entries + i * capacity, 0, capacity};
  run_tasks(state->num_parts, state->num_parts, search_part, state);
}

int search(const simd_set* simd, const vector_set* items, const float* queries, int64_t num_queries,
           int64_t k, const filter_set* filters, const float* bias, int64_t num_threads,
           float* scores, int64_t* ids) {
  if (k == 0 || num_queries == 0 || items->num_items == 0) return 0;
  search_state state = {simd, items, filters, bias, num_queries, 0, 0, 0, 0};
  state.num_parts = parts_for(items->num_items, num_threads);
  int64_t capacity = k < items->num_items ? k : items->num_items;
  size_t num_lists = (size_t)(state.num_parts * num_queries);
  scored* entries = calloc(num_lists * (size_t)capacity, sizeof(scored));
  state.queries = calloc((size_t)(num_queries * padded_dim(items->dim)), sizeof(double));
  state.norms = calloc((size_t)num_queries, sizeof(double));
  state.lists = calloc(num_lists, sizeof(best_list));
  int result = OUT_OF_MEMORY;
  if (entries && state.queries && state.norms && state.lists) {
    run_search(&state, queries, entries, capacity);
    for (int64_t q = 0; q < num_queries; q++) write_best(&state, q, k, scores, ids);
    result = 0;
  }
  free(entries);
  free(state.queries);
  free(state.norms);
  free(state.lists);
  return result;
}
