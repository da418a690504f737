// Exact search. Queries go in passes whose working memory is bounded. A pass scans codes, unless
// the allow-list is short or k is large; what a scan cannot decide cheaply is scored whole.
#include "search.h"

#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "threads.h"
#include "vectors.h"

enum {
  WORKING_BYTES = 8 << 20,
  THREAD_BYTES = 1 << 20,  // what many threads may take each
  MAX_PASS = 1024,         // queries
  LARGEST_CODED_K = 8192,
  SHORT_LIST = 32,  // an allow-list of less than 1 / SHORT_LIST of the items is scored whole
};

double exact_score(const search_call* call, const coded_queries* queries, int64_t first_query,
                   int64_t q, int64_t position) {
  int64_t dim = call->items->dim;
  double score;
  score_rows(call->simd, call->items->metric, vector_at(call->items, position), 1, dim,
             queries->values + q * padded_dim(dim), queries->norms[q], &score);
  const float* bias = bias_of(call->bias, first_query + q, call->items->num_items);
  return bias ? score + (double)bias[position] : score;
}

int is_allowed(const search_call* call, int64_t query, int64_t position) {
  const filter_set* filters = call->filters;
  if (!mask_allows(mask_of(filters, query), position)) return 0;
  if (filters->allow.indptr && !list_holds(list_of(&filters->allow, query), position)) return 0;
  return !list_holds(list_of(&filters->exclude, query), position);
}

void write_best(const search_call* call, int64_t query, best_list* best) {
  best_sort(best);
  for (int64_t i = 0; i < best->size; i++) {
    call->scores[query * call->k + i] = (float)best->entries[i].score;
    call->ids[query * call->k + i] = best->entries[i].id;
  }
}

static int64_t working_bytes(const search_call* call) {
  int64_t shared = call->num_threads * THREAD_BYTES;
  return shared > WORKING_BYTES ? shared : WORKING_BYTES;
}

// How many queries fit the working memory; fewer threads, where not even one does.
static int64_t fit_pass(search_call* call, int64_t num_queries) {
  int64_t dim = call->items->dim;
  int64_t pass = WORKING_BYTES / 4 / coded_query_bytes(dim);
  for (; call->k <= LARGEST_CODED_K; call->num_threads = (call->num_threads + 1) / 2) {
    int64_t fixed = scan_bytes(call) + code_padding_bytes(dim);
    pass = (working_bytes(call) - fixed) / (scan_bytes_per_query(call) + coded_query_bytes(dim));
    if (pass > 0 || call->num_threads == 1) break;
  }
  if (pass > MAX_PASS) pass = MAX_PASS;
  if (pass > num_queries) pass = num_queries;
  return pass > 0 ? pass : 1;
}

static int uses_codes(const search_call* call, int64_t query) {
  if (call->k > LARGEST_CODED_K) return 0;
  if (call->k * 4 > call->items->num_items) return 0;
  if (!call->filters->allow.indptr) return 1;
  return list_of(&call->filters->allow, query).count * SHORT_LIST > call->items->num_items;
}

static int run_pass(const search_call* call, const coded_queries* queries, int64_t first_query,
                    scan_state* states) {
  int64_t num_coded = 0, num_loose = 0;
  for (int64_t q = 0; q < queries->count; q++) {
    states[q] = uses_codes(call, first_query + q) ? UNFINISHED : NEEDS_ALL;
    num_coded += states[q] == UNFINISHED;
  }
  int result = num_coded ? scan_codes(call, queries, first_query, states) : 0;
  if (result != 0) return result;
  for (int64_t q = 0; q < queries->count; q++) num_loose += states[q] == NEEDS_ALL;
  call->counts->num_exhaustive += num_loose;
  return num_loose ? score_all(call, queries, first_query, states) : 0;
}

int search(const simd_set* simd, const item_store* items, const float* queries, int64_t num_queries,
           int64_t k, const filter_set* filters, const bias_rows* bias, int64_t num_threads,
           float* scores, int64_t* ids, search_counts* counts) {
  *counts = (search_counts){0};
  if (k == 0 || num_queries == 0 || items->num_items == 0) return 0;
  if (num_threads > MAX_THREADS) num_threads = MAX_THREADS;
  search_call call = {simd, items, filters, bias, k, num_threads, scores, ids, counts};
  int64_t pass = fit_pass(&call, num_queries);
  coded_queries coded;
  scan_state* states = malloc((size_t)pass * sizeof(scan_state));
  int result = create_queries(&coded, pass, items->dim);
  if (!states) result = OUT_OF_MEMORY;
  for (int64_t first = 0; first < num_queries && result == 0; first += pass) {
    int64_t count = num_queries - first < pass ? num_queries - first : pass;
    code_queries(&coded, items->metric, items->dim, simd->max_query_code,
                 queries + first * items->dim, count);
    result = run_pass(&call, &coded, first, states);
  }
  release_queries(&coded);
  free(states);
  return result;
}
