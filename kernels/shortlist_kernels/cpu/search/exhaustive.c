// Scores every allowed item of some queries in float64; the best k are kept in a heap per query and
// part. Parts are ranges of items; a strip of items stays in the cache while the queries pass over
// it. An allow-list is walked instead.
#include <stdlib.h>
#include <string.h>

#include "search.h"
#include "store.h"
#include "threads.h"
#include "vectors.h"

enum {
  LIST_BYTES = 6 << 20,
  GATHERED = 2048,  // values of rows of an allow-list that are scored together
};

typedef struct {
  const search_call* call;
  const coded_queries* queries;
  int64_t first_query;
  const int64_t* members;  // which queries of the pass
  int64_t num_members, num_parts;
  best_list* lists;  // num_parts rows of num_members
} exhaustive_run;

static void offer(const exhaustive_run* run, best_list* best, int64_t query, int64_t position,
                  double score) {
  const search_call* call = run->call;
  const float* bias = bias_of(call->bias, query, call->items->num_items);
  if (bias) score += (double)bias[position];
  // Most items end here, and the id would be a cache miss.
  if (best->size == best->capacity && score < best->entries[0].score) return;
  scored entry = {score, id_at(call->items, position)};
  if (best_admits(best, entry) && is_allowed(call, query, position)) best_take(best, entry);
}

static void score_span(const exhaustive_run* run, int64_t member, best_list* best, int64_t first,
                       int64_t count) {
  const item_store* items = run->call->items;
  int64_t q = run->members[member];
  double scores[STRIP];
  score_rows(run->call->simd, items->metric, vector_at(items, first), count, items->dim,
             run->queries->values + q * padded_dim(items->dim), run->queries->norms[q], scores);
  for (int64_t i = 0; i < count; i++) offer(run, best, run->first_query + q, first + i, scores[i]);
}

// Scores some items of a list for the members from `first` to `end` - 1. Their rows are brought
// together, so that several are scored at a time and all members find them in the cache.
static void score_scattered(const exhaustive_run* run, best_list* lists, int64_t first, int64_t end,
                            const int64_t* positions, int64_t count) {
  const item_store* items = run->call->items;
  int64_t dim = items->dim;
  float gathered[GATHERED];
  const float* rows = vector_at(items, positions[0]);
  if (count > 1) {
    for (int64_t i = 0; i < count; i++)
      memcpy(gathered + i * dim, vector_at(items, positions[i]), (size_t)dim * sizeof(float));
    rows = gathered;
  }
  for (int64_t member = first; member < end; member++) {
    int64_t q = run->members[member];
    double scores[STRIP];
    score_rows(run->call->simd, items->metric, rows, count, dim,
               run->queries->values + q * padded_dim(dim), run->queries->norms[q], scores);
    for (int64_t i = 0; i < count; i++)
      offer(run, &lists[member], run->first_query + q, positions[i], scores[i]);
  }
}

// This part of the allow-list that the members from `first` to `end` - 1 have.
static void score_list(const exhaustive_run* run, best_list* lists, int64_t first, int64_t end,
                       int64_t part) {
  const item_store* items = run->call->items;
  position_list list = list_of(&run->call->filters->allow, run->first_query + run->members[first]);
  int64_t together = GATHERED / items->dim < STRIP ? GATHERED / items->dim : STRIP;
  int64_t stop = list.count * (part + 1) / run->num_parts;
  for (int64_t i = list.count * part / run->num_parts, count; i < stop; i += count) {
    count = together < 1 ? 1 : together;
    if (count > stop - i) count = stop - i;
    for (int64_t next = i + count; next < i + 2 * count && next < stop; next++)
      prefetch_vector(items, list.positions[next]);
    score_scattered(run, lists, first, end, list.positions + i, count);
  }
}

static void score_strips(const exhaustive_run* run, best_list* lists, int64_t begin, int64_t end) {
  for (int64_t first = begin; first < end; first += STRIP) {
    int64_t count = end - first < STRIP ? end - first : STRIP;
    for (int64_t member = 0; member < run->num_members; member++) {
      int64_t query = run->first_query + run->members[member];
      if (!mask_bars(mask_of(run->call->filters, query), first, first + count))
        score_span(run, member, &lists[member], first, count);
    }
  }
}

static void score_part(void* context, int64_t thread, int64_t part) {
  (void)thread;
  const exhaustive_run* run = context;
  best_list* lists = run->lists + part * run->num_members;
  if (run->call->filters->allow.indptr) {
    int64_t together = run->call->filters->allow.num_lists == 1 ? run->num_members : 1;
    for (int64_t member = 0; member < run->num_members; member += together)
      score_list(run, lists, member, member + together, part);
    return;
  }
  int64_t num_items = run->call->items->num_items;
  int64_t num_strips = (num_items + STRIP - 1) / STRIP;
  int64_t begin = num_strips * part / run->num_parts * STRIP;
  int64_t end = num_strips * (part + 1) / run->num_parts * STRIP;
  score_strips(run, lists, begin, end < num_items ? end : num_items);
}

static void merge_parts(const exhaustive_run* run) {
  for (int64_t member = 0; member < run->num_members; member++) {
    best_list* best = &run->lists[member];
    for (int64_t part = 1; part < run->num_parts; part++) {
      const best_list* other = &run->lists[part * run->num_members + member];
      for (int64_t i = 0; i < other->size; i++)
        if (best_admits(best, other->entries[i])) best_take(best, other->entries[i]);
    }
    write_best(run->call, run->first_query + run->members[member], best);
  }
}

static int run_members(exhaustive_run* run, int64_t capacity) {
  int64_t num_lists = run->num_parts * run->num_members;
  scored* entries = malloc((size_t)(num_lists * capacity) * sizeof(scored));
  run->lists = malloc((size_t)num_lists * sizeof(best_list));
  int result = OUT_OF_MEMORY;
  if (entries && run->lists) {
    for (int64_t i = 0; i < num_lists; i++)
      run->lists[i] = (best_list){entries + i * capacity, 0, capacity};
    run_tasks(run->num_parts, run->num_parts, score_part, run);
    merge_parts(run);
    result = 0;
  }
  free(entries);
  free(run->lists);
  return result;
}

int score_all(const search_call* call, const coded_queries* queries, int64_t first_query,
              const scan_state* states) {
  int64_t num_items = call->items->num_items;
  int64_t capacity = call->k < num_items ? call->k : num_items;
  int64_t affordable = LIST_BYTES / (capacity * (int64_t)sizeof(scored));
  int64_t num_parts = call->num_threads < affordable ? call->num_threads : affordable;
  if (num_parts < 1) num_parts = 1;
  int64_t members_at_once = affordable / num_parts > 0 ? affordable / num_parts : 1;
  int64_t* members = malloc((size_t)queries->count * sizeof(int64_t));
  if (!members) return OUT_OF_MEMORY;
  int64_t count = 0;
  int result = 0;
  for (int64_t q = 0; q < queries->count && result == 0; q++) {
    if (states[q] == NEEDS_ALL) members[count++] = q;
    if (count == 0 || (count < members_at_once && q + 1 < queries->count)) continue;
    exhaustive_run run = {call, queries, first_query, members, count, num_parts, 0};
    result = run_members(&run, capacity);
    count = 0;
  }
  free(members);
  return result;
}
