// Searches through the codes. Threads take runs of strips; in a strip, blocks of queries are
// compared with their floors, and the rare items that may reach one become candidates. When a
// thread holds too many for a query, it scores the most promising ones and raises the floor. At the
// end the candidates that are left are scored, and the best k of them are the answer.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "candidates.h"
#include "search.h"
#include "store.h"
#include "threads.h"

enum {
  NUM_SEEDS = 64,  // strips from all over the store that come first, for a good early floor
  STRIPS_PER_TASK = 16,
  PREFETCH_AHEAD = 4,  // candidates
};

typedef struct {
  block_limits limits;
  scan_hit hits[QUERY_BLOCK * STRIP];
  int64_t num_scanned, num_rescored;
} scan_scratch;

typedef struct {
  const search_call* call;
  const coded_queries* queries;
  int64_t first_query;
  int64_t num_threads, capacity;
  int64_t num_strips, seed_stride, num_seeds;
  shared_floor* floors;   // one per query; +inf: given up
  candidate* entries;     // per query and thread, `capacity` of them
  candidate_list* lists;  // rows of num_threads, one per query
  scored* best;           // per thread, k of them
  scan_scratch* scratch;  // one per thread
} scan_run;

int64_t candidate_capacity(int64_t k, int64_t num_threads) {
  int64_t shared = 32 * k / num_threads;
  return (shared > 4 * k ? shared : 4 * k) + 256;
}

static void score_candidate(const scan_run* run, scan_scratch* scratch, int64_t q,
                            candidate* entry) {
  if (entry->margin == 0) return;
  entry->estimate = exact_score(run->call, run->queries, run->first_query, q, entry->position);
  entry->margin = 0;
  scratch->num_rescored++;
}

static void prefetch_candidate(const scan_run* run, candidate entry) {
  if (entry.margin != 0) prefetch_vector(run->call->items, entry.position);
}

// The k-th best of any k items is a floor.
static void raise_from(const scan_run* run, scan_scratch* scratch, int64_t q,
                       candidate_list* list) {
  int64_t k = run->call->k;
  drop_below(list, read_floor(&run->floors[q]));
  if (list->size < k) return;
  largest_first(list->entries, list->size, k);
  double worst = INFINITY;
  for (int64_t i = 0; i < k; i++) {
    if (i + PREFETCH_AHEAD < k) prefetch_candidate(run, list->entries[i + PREFETCH_AHEAD]);
    score_candidate(run, scratch, q, &list->entries[i]);
    if (list->entries[i].estimate < worst) worst = list->entries[i].estimate;
  }
  raise_floor(&run->floors[q], worst);
  drop_below(list, read_floor(&run->floors[q]));
}

static void take(const scan_run* run, scan_scratch* scratch, int64_t thread, int64_t q,
                 candidate entry) {
  double floor = read_floor(&run->floors[q]);
  if (upper_bound(entry) < floor) return;
  if (!is_allowed(run->call, run->first_query + q, entry.position)) return;
  candidate_list* list = &run->lists[q * run->num_threads + thread];
  list->entries[list->size++] = entry;
  int is_full = list->size == list->capacity;
  if (!is_full && (list->size != 2 * run->call->k || floor != -INFINITY)) return;
  raise_from(run, scratch, q, list);
  if (list->size * 4 > list->capacity * 3) {
    raise_floor(&run->floors[q], INFINITY);
    list->size = 0;
  }
}

static void scan_block(const scan_run* run, int64_t thread, const code_span* span, int64_t first,
                       int64_t count) {
  scan_scratch* scratch = &run->scratch[thread];
  block_limits* limits = &scratch->limits;
  query_block block = {
      .codes = run->queries->codes + first * run->queries->stride,
      .stride = run->queries->stride,
      .num_queries = count,
      .limits = limits->limits,
      .units = limits->units,
      .margins = limits->margins,
  };
  if (!set_limits(limits, run->call, run->queries, run->first_query, span, first, count,
                  run->floors))
    return;
  block.offsets = limits->has_offsets ? limits->offsets : 0;
  block.offsets_stride = limits->offsets_stride;
  scratch->num_scanned += count * span->num_items;
  int64_t num_hits = run->call->simd->scan(&span->codes, &block, scratch->hits);
  for (int64_t i = 0; i < num_hits; i++) {
    scan_hit hit = scratch->hits[i];
    int64_t q = first + hit.query;
    take(run, scratch, thread, q, candidate_of(limits, run->queries, span, q, hit));
  }
}

static void scan_span(const scan_run* run, int64_t thread, const code_span* span) {
  for (int64_t first = 0; first < run->queries->count; first += QUERY_BLOCK) {
    int64_t left = run->queries->count - first;
    scan_block(run, thread, span, first, left < QUERY_BLOCK ? left : QUERY_BLOCK);
  }
}

static void scan_strip(const scan_run* run, int64_t thread, int64_t strip) {
  const uint8_t* mask = run->call->filters->mask_rows == 1 ? run->call->filters->mask_bits : 0;
  int64_t end = (strip + 1) * STRIP;
  if (end > run->call->items->num_items) end = run->call->items->num_items;
  code_span span;
  for (int64_t begin = strip * STRIP; next_span(run->call->items, mask, begin, end, &span);
       begin = span.first + span.num_items)
    scan_span(run, thread, &span);
}

// Seeds first: every seed_stride-th strip. Then all others in order.
static void scan_task(void* context, int64_t thread, int64_t task) {
  const scan_run* run = context;
  int64_t seed_tasks = run->num_seeds;
  if (task < seed_tasks) {
    scan_strip(run, thread, task * run->seed_stride);
    return;
  }
  int64_t begin = (task - seed_tasks) * STRIPS_PER_TASK, end = begin + STRIPS_PER_TASK;
  for (int64_t strip = begin; strip < end && strip < run->num_strips; strip++) {
    int is_seed = strip % run->seed_stride == 0 && strip / run->seed_stride < run->num_seeds;
    if (!is_seed) scan_strip(run, thread, strip);
  }
}

// Moves the candidates of all threads together; returns how many.
static int64_t gather(const scan_run* run, int64_t q) {
  candidate_list* lists = run->lists + q * run->num_threads;
  int64_t total = 0;
  for (int64_t thread = 0; thread < run->num_threads; thread++) {
    drop_below(&lists[thread], read_floor(&run->floors[q]));
    memmove(lists[0].entries + total, lists[thread].entries,
            (size_t)lists[thread].size * sizeof(candidate));
    total += lists[thread].size;
  }
  return total;
}

static void finish_query(void* context, int64_t thread, int64_t q) {
  const scan_run* run = context;
  if (read_floor(&run->floors[q]) == INFINITY) return;
  candidate_list all = {run->lists[q * run->num_threads].entries, gather(run, q), 0};
  int64_t k = run->call->k;
  raise_from(run, &run->scratch[thread], q, &all);
  best_list best = {run->best + thread * k, 0, k};
  for (int64_t i = 0; i < all.size; i++) {
    if (i + PREFETCH_AHEAD < all.size) prefetch_candidate(run, all.entries[i + PREFETCH_AHEAD]);
    score_candidate(run, &run->scratch[thread], q, &all.entries[i]);
    scored entry = {all.entries[i].estimate, id_at(run->call->items, all.entries[i].position)};
    if (best_admits(&best, entry)) best_take(&best, entry);
  }
  write_best(run->call, run->first_query + q, &best);
}

static void start(scan_run* run, const uint8_t* is_open) {
  for (int64_t q = 0; q < run->queries->count; q++) {
    atomic_init(&run->floors[q], is_open[q] ? INFINITY : -INFINITY);
    for (int64_t thread = 0; thread < run->num_threads; thread++) {
      int64_t place = q * run->num_threads + thread;
      run->lists[place] = (candidate_list){run->entries + place * run->capacity, 0, run->capacity};
    }
  }
}

static void scan_and_finish(scan_run* run, uint8_t* is_open) {
  start(run, is_open);
  int64_t num_tasks = run->num_seeds + (run->num_strips + STRIPS_PER_TASK - 1) / STRIPS_PER_TASK;
  run_tasks(run->num_threads, num_tasks, scan_task, run);
  run_tasks(run->num_threads, run->queries->count, finish_query, run);
  for (int64_t q = 0; q < run->queries->count; q++)
    is_open[q] = read_floor(&run->floors[q]) == INFINITY;
  for (int64_t thread = 0; thread < run->num_threads; thread++) {
    run->call->counts->num_scanned += run->scratch[thread].num_scanned;
    run->call->counts->num_rescored += run->scratch[thread].num_rescored;
  }
}

int scan_codes(const search_call* call, const coded_queries* queries, int64_t first_query,
               uint8_t* is_open) {
  scan_run run = {.call = call, .queries = queries, .first_query = first_query};
  run.num_threads = call->num_threads;
  run.capacity = candidate_capacity(call->k, run.num_threads);
  run.num_strips = (call->items->num_items + STRIP - 1) / STRIP;
  run.seed_stride = run.num_strips / NUM_SEEDS > 1 ? run.num_strips / NUM_SEEDS : 1;
  run.num_seeds = run.num_strips < 4 * NUM_SEEDS ? 0 : NUM_SEEDS;
  size_t num_lists = (size_t)(queries->count * run.num_threads);
  run.floors = malloc((size_t)queries->count * sizeof(shared_floor));
  run.entries = malloc(num_lists * (size_t)run.capacity * sizeof(candidate));
  run.lists = malloc(num_lists * sizeof(candidate_list));
  run.best = malloc((size_t)(run.num_threads * call->k) * sizeof(scored));
  run.scratch = calloc((size_t)run.num_threads, sizeof(scan_scratch));
  int result = OUT_OF_MEMORY;
  if (run.floors && run.entries && run.lists && run.best && run.scratch) {
    scan_and_finish(&run, is_open);
    result = 0;
  }
  free(run.floors);
  free(run.entries);
  free(run.lists);
  free(run.best);
  free(run.scratch);
  return result;
}
