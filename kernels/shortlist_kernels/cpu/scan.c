// The best k through the codes. When a thread holds too many candidates of a query, it scores the
// most promising ones and raises the query's floor. At the end the candidates that are left are
// scored, and the best k of them are the answer.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "strips.h"
#include "threads.h"

enum {
  PREFETCH_AHEAD = 4,  // candidates
  RAISE_AFTER = 8,     // times k new candidates: more would come while the floor is stale
};

typedef struct {
  strip_walk walk;
  int64_t capacity;
  candidate* entries;     // per query and thread, `capacity` of them
  candidate_list* lists;  // rows of num_threads, one per query
  scored* best;           // per thread, k of them
  int64_t num_rescored[MAX_THREADS];
} scan_run;

// Room for the candidates of a query whose bounds are loose, shared by the threads.
static int64_t candidate_capacity(const search_call* call) {
  int64_t shared = 32 * call->k / call->num_threads;
  return (shared > 4 * call->k ? shared : 4 * call->k) + 256;
}

int64_t scan_bytes(const search_call* call) {
  int64_t each = (int64_t)sizeof(strip_scratch) + call->k * (int64_t)sizeof(scored);
  return call->num_threads * each;
}

int64_t scan_bytes_per_query(const search_call* call) {
  int64_t each = candidate_capacity(call) * (int64_t)sizeof(candidate);
  return call->num_threads * (each + (int64_t)sizeof(candidate_list)) +
         (int64_t)sizeof(shared_floor);
}

static void score_candidate(scan_run* run, int64_t thread, int64_t q, candidate* entry) {
  if (entry->margin == 0) return;
  const strip_walk* walk = &run->walk;
  entry->estimate = exact_score(walk->call, walk->queries, walk->first_query, q, entry->position);
  entry->margin = 0;
  run->num_rescored[thread]++;
}

static void prefetch_candidate(const scan_run* run, candidate entry) {
  if (entry.margin != 0) prefetch_item(run->walk.call->items, entry.position);
}

// The k-th best of any k items is a floor.
static void raise_from(scan_run* run, int64_t thread, int64_t q, candidate_list* list) {
  int64_t k = run->walk.call->k;
  shared_floor* floor = &run->walk.floors[q];
  drop_below(list, read_floor(floor));
  if (list->size < k) return;
  largest_first(list->entries, list->size, k);
  double worst = INFINITY;
  for (int64_t i = 0; i < k; i++) {
    if (i + PREFETCH_AHEAD < k) prefetch_candidate(run, list->entries[i + PREFETCH_AHEAD]);
    score_candidate(run, thread, q, &list->entries[i]);
    if (list->entries[i].estimate < worst) worst = list->entries[i].estimate;
  }
  raise_floor(floor, worst);
  drop_below(list, read_floor(floor));
}

// A list that stays nearly full after its floor was raised has bounds too loose to go on with: the
// floor goes to infinity, and the query is given up.
static void take(void* context, int64_t thread, int64_t q, candidate entry) {
  scan_run* run = context;
  int64_t k = run->walk.call->k;
  candidate_list* list = &run->lists[q * run->walk.num_threads + thread];
  list->entries[list->size++] = entry;
  if (list->size < list->raise_at) return;
  raise_from(run, thread, q, list);
  if (list->size * 4 > list->capacity * 3) {
    raise_floor(&run->walk.floors[q], INFINITY);
    list->size = 0;
  }
  int64_t raise_at = list->size + RAISE_AFTER * k;
  list->raise_at = raise_at < list->capacity ? raise_at : list->capacity;
}

// Moves the candidates of all threads together.
static candidate_list gather(const scan_run* run, int64_t q) {
  candidate_list* lists = run->lists + q * run->walk.num_threads;
  candidate_list all = {.entries = lists[0].entries};
  for (int64_t thread = 0; thread < run->walk.num_threads; thread++) {
    drop_below(&lists[thread], read_floor(&run->walk.floors[q]));
    memmove(all.entries + all.size, lists[thread].entries,
            (size_t)lists[thread].size * sizeof(candidate));
    all.size += lists[thread].size;
  }
  return all;
}

static void finish_query(void* context, int64_t thread, int64_t q) {
  scan_run* run = context;
  const search_call* call = run->walk.call;
  if (read_floor(&run->walk.floors[q]) == INFINITY) return;
  candidate_list all = gather(run, q);
  raise_from(run, thread, q, &all);
  best_list best = {run->best + thread * call->k, 0, call->k};
  for (int64_t i = 0; i < all.size; i++) {
    if (i + PREFETCH_AHEAD < all.size) prefetch_candidate(run, all.entries[i + PREFETCH_AHEAD]);
    score_candidate(run, thread, q, &all.entries[i]);
    scored entry = {all.entries[i].estimate, id_at(call->items, all.entries[i].position)};
    if (best_admits(&best, entry)) best_take(&best, entry);
  }
  write_best(call, run->walk.first_query + q, &best);
}

static void start(scan_run* run, const uint8_t* is_open) {
  for (int64_t q = 0; q < run->walk.queries->count; q++) {
    atomic_init(&run->walk.floors[q], is_open[q] ? INFINITY : -INFINITY);
    for (int64_t thread = 0; thread < run->walk.num_threads; thread++) {
      int64_t place = q * run->walk.num_threads + thread;
      candidate* entries = run->entries + place * run->capacity;
      run->lists[place] = (candidate_list){entries, 0, run->capacity, 2 * run->walk.call->k};
    }
  }
}

static void scan_and_finish(scan_run* run, uint8_t* is_open) {
  const strip_walk* walk = &run->walk;
  start(run, is_open);
  walk_strips(walk);
  run_tasks(walk->num_threads, walk->queries->count, finish_query, run);
  for (int64_t q = 0; q < walk->queries->count; q++)
    is_open[q] = read_floor(&walk->floors[q]) == INFINITY;
  for (int64_t thread = 0; thread < walk->num_threads; thread++)
    walk->call->counts->num_rescored += run->num_rescored[thread];
}

int scan_codes(const search_call* call, const coded_queries* queries, int64_t first_query,
               uint8_t* is_open) {
  int64_t num_threads = call->num_threads;
  size_t num_queries = (size_t)queries->count, num_lists = num_queries * (size_t)num_threads;
  scan_run run = {
      .walk = {call, queries, first_query, num_threads, .offer = take, .context = &run},
      .capacity = candidate_capacity(call),
  };
  run.walk.floors = malloc(num_queries * sizeof(shared_floor));
  run.walk.scratch = malloc((size_t)num_threads * sizeof(strip_scratch));
  run.entries = malloc(num_lists * (size_t)run.capacity * sizeof(candidate));
  run.lists = malloc(num_lists * sizeof(candidate_list));
  run.best = malloc((size_t)(num_threads * call->k) * sizeof(scored));
  int result = OUT_OF_MEMORY;
  if (run.walk.floors && run.walk.scratch && run.entries && run.lists && run.best) {
    scan_and_finish(&run, is_open);
    result = 0;
  }
  free(run.walk.floors);
  free(run.walk.scratch);
  free(run.entries);
  free(run.lists);
  free(run.best);
  return result;
}
