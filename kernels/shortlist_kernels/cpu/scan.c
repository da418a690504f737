// The best k through the codes. When a thread holds many candidates of a query, it scores the most
// promising ones. The best k scores so far are shared by the threads; the worst of them is the
// query's floor. At the end the candidates that are left are scored.
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
  atomic_flag is_taken;  // held while `list` changes
  best_list list;
} shared_best;

typedef struct {
  strip_walk walk;
  int64_t capacity;
  candidate* entries;     // per query and thread, `capacity` of them
  candidate_list* lists;  // rows of num_threads, one per query
  scored* best_entries;   // per query k of them, then per thread
  shared_best* best;      // one per query
  int64_t num_rescored[MAX_THREADS];
} scan_run;

// Room for the candidates of a query; bounds loosen with the number of dimensions.
static int64_t candidate_capacity(const search_call* call) {
  int64_t shared = (32 + call->items->dim / 16) * call->k / call->num_threads;
  return (shared > 4 * call->k ? shared : 4 * call->k) + 256;
}

int64_t scan_bytes(const search_call* call) {
  int64_t each = (int64_t)sizeof(strip_scratch) + call->k * (int64_t)sizeof(scored);
  return call->num_threads * each;
}

int64_t scan_bytes_per_query(const search_call* call) {
  int64_t each = candidate_capacity(call) * (int64_t)sizeof(candidate);
  return call->num_threads * (each + (int64_t)sizeof(candidate_list)) +
         call->k * (int64_t)sizeof(scored) + (int64_t)(sizeof(shared_floor) + sizeof(shared_best));
}

static scored score_candidate(scan_run* run, int64_t thread, int64_t q, candidate entry) {
  const strip_walk* walk = &run->walk;
  run->num_rescored[thread]++;
  return (scored){
      exact_score(walk->call, walk->queries, walk->first_query, q, entry.position),
      id_at(walk->call->items, entry.position),
  };
}

static void offer_scored(scan_run* run, int64_t q, const scored* entries, int64_t count) {
  shared_best* best = &run->best[q];
  while (atomic_flag_test_and_set_explicit(&best->is_taken, memory_order_acquire)) {
  }
  for (int64_t i = 0; i < count; i++)
    if (best_admits(&best->list, entries[i])) best_take(&best->list, entries[i]);
  if (best->list.size == run->walk.call->k)
    raise_floor(&run->walk.floors[q], best->list.entries[0].score);
  atomic_flag_clear_explicit(&best->is_taken, memory_order_release);
}

// Scores those that are likely to be among the best, at most k, and takes them off the list.
static void score_promising(scan_run* run, int64_t thread, int64_t q, candidate_list* list) {
  int64_t k = run->walk.call->k, num_scored = 0, num_kept = 0;
  double floor = read_floor(&run->walk.floors[q]);
  scored* entries = run->best_entries + (run->walk.queries->count + thread) * k;
  drop_below(list, floor);
  int64_t count = list->size < k ? list->size : k;
  largest_first(list->entries, list->size, count);
  for (int64_t i = 0; i < count; i++) {
    if (i + PREFETCH_AHEAD < count)
      prefetch_item(run->walk.call->items, list->entries[i + PREFETCH_AHEAD].position);
    if (list->entries[i].estimate < floor)
      list->entries[num_kept++] = list->entries[i];
    else
      entries[num_scored++] = score_candidate(run, thread, q, list->entries[i]);
  }
  memmove(list->entries + num_kept, list->entries + count,
          (size_t)(list->size - count) * sizeof(candidate));
  list->size -= num_scored;
  offer_scored(run, q, entries, num_scored);
  drop_below(list, read_floor(&run->walk.floors[q]));
}

// A list that stays nearly full after its floor was raised has bounds too loose to go on with: the
// floor goes to infinity, and the query is given up.
static void take(void* context, int64_t thread, int64_t q, candidate entry) {
  scan_run* run = context;
  int64_t k = run->walk.call->k;
  candidate_list* list = &run->lists[q * run->walk.num_threads + thread];
  list->entries[list->size++] = entry;
  if (list->size < list->raise_at) return;
  score_promising(run, thread, q, list);
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
  shared_floor* floor = &run->walk.floors[q];
  if (read_floor(floor) == INFINITY) return;
  candidate_list all = gather(run, q);
  score_promising(run, thread, q, &all);
  for (int64_t i = 0; i < all.size; i++) {
    if (i + PREFETCH_AHEAD < all.size)
      prefetch_item(run->walk.call->items, all.entries[i + PREFETCH_AHEAD].position);
    if (upper_bound(all.entries[i]) < read_floor(floor)) continue;
    scored entry = score_candidate(run, thread, q, all.entries[i]);
    offer_scored(run, q, &entry, 1);
  }
  write_best(run->walk.call, run->walk.first_query + q, &run->best[q].list);
}

static void start(scan_run* run, const uint8_t* is_open) {
  for (int64_t q = 0; q < run->walk.queries->count; q++) {
    int64_t k = run->walk.call->k;
    atomic_init(&run->walk.floors[q], is_open[q] ? INFINITY : -INFINITY);
    run->best[q] = (shared_best){ATOMIC_FLAG_INIT, {run->best_entries + q * k, 0, k}};
    for (int64_t thread = 0; thread < run->walk.num_threads; thread++) {
      int64_t place = q * run->walk.num_threads + thread;
      candidate* entries = run->entries + place * run->capacity;
      run->lists[place] = (candidate_list){entries, 0, run->capacity, 2 * k};
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
  run.best = malloc(num_queries * sizeof(shared_best));
  run.best_entries = malloc((num_queries + (size_t)num_threads) * (size_t)call->k * sizeof(scored));
  int result = OUT_OF_MEMORY;
  if (run.walk.floors && run.walk.scratch && run.entries && run.lists && run.best &&
      run.best_entries) {
    scan_and_finish(&run, is_open);
    result = 0;
  }
  free(run.walk.floors);
  free(run.walk.scratch);
  free(run.entries);
  free(run.lists);
  free(run.best);
  free(run.best_entries);
  return result;
}
