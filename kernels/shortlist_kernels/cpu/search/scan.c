// The best k through the codes. First a sample of the items tells a floor that the k-th best score
// will probably reach; what cannot reach it is passed over. At the end what is left is scored. If k
// scores reach the floor, nothing better was passed over. If not, the query is searched again
// without a guess: then a thread that holds many candidates scores the most promising ones, and the
// worst of the best k scores so far, which the threads share, is the floor.
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "strips.h"
#include "threads.h"

enum {
  PREFETCH_AHEAD = 4,    // candidates
  FEWEST_SEEDS = 512,    // a smaller sample is not worth its own walk
  FEWEST_GUESSES = 4,    // queries; fewer wait for memory, and a sample is slow to read
  LIST_BYTES = 4 << 20,  // for all candidates of one query
  RAISE_AFTER = 8,       // times k new candidates: more would come while the floor is stale
};

typedef struct {
  atomic_flag is_taken;  // held while `list` changes
  best_list list;
} shared_best;

typedef struct {
  strip_walk walk;
  int64_t capacity;
  int64_t guess_rank;  // which best of the sample is the guess; 0 for none
  int is_sampling;
  double* guesses;        // per query; -inf for none
  candidate* entries;     // per query and thread, `capacity` of them
  candidate_list* lists;  // rows of num_threads, one per query
  scored* best_entries;   // per query k of them, then per thread
  shared_best* best;      // one per query
  int64_t num_rescored[MAX_THREADS];
} scan_run;

// Room for the candidates of a query; bounds loosen with the number of dimensions.
static int64_t candidate_capacity(const search_call* call) {
  int64_t shared = (32 + call->items->dim / 16) * call->k;
  int64_t affordable = LIST_BYTES / (int64_t)sizeof(candidate);
  int64_t each = (shared < affordable ? shared : affordable) / call->num_threads;
  return (each > 4 * call->k ? each : 4 * call->k) + 256;
}

int64_t scan_bytes(const search_call* call) {
  int64_t each = (int64_t)sizeof(strip_scratch) + call->k * (int64_t)sizeof(scored);
  return call->num_threads * each;
}

int64_t scan_bytes_per_query(const search_call* call) {
  int64_t each = candidate_capacity(call) * (int64_t)sizeof(candidate);
  return call->num_threads * (each + (int64_t)sizeof(candidate_list)) +
         call->k * (int64_t)sizeof(scored) +
         (int64_t)(sizeof(shared_floor) + sizeof(shared_best) + sizeof(double));
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
  while (atomic_flag_test_and_set_explicit(&best->is_taken, memory_order_acquire))
    sched_yield();  // it is held for microseconds, but its holder may have lost its core
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

// Raises the floor to the guess_rank-th best estimate, if there are so many.
static void guess_floor(scan_run* run, int64_t q, candidate_list* list) {
  if (list->size < run->guess_rank) return;
  largest_first(list->entries, list->size, run->guess_rank);
  double guess = INFINITY;
  for (int64_t i = 0; i < run->guess_rank; i++)
    if (list->entries[i].estimate < guess) guess = list->entries[i].estimate;
  raise_floor(&run->walk.floors[q], guess);
  drop_below(list, read_floor(&run->walk.floors[q]));
}

// A list that stays nearly full has bounds too loose to go on with: the floor goes to infinity, and
// the query is given up.
static void give_up_if_full(scan_run* run, int64_t q, candidate_list* list) {
  if (list->size * 4 <= list->capacity * 3) return;
  raise_floor(&run->walk.floors[q], INFINITY);
  list->size = 0;
}

static void take(void* context, int64_t thread, int64_t q, candidate entry) {
  scan_run* run = context;
  candidate_list* list = &run->lists[q * run->walk.num_threads + thread];
  list->entries[list->size++] = entry;
  if (list->size < list->raise_at) return;
  if (run->is_sampling)
    guess_floor(run, q, list);
  else
    score_promising(run, thread, q, list);
  give_up_if_full(run, q, list);
  int64_t raise_at =
      list->size + RAISE_AFTER * (run->is_sampling ? run->guess_rank : run->walk.call->k);
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

static void finish_sample(void* context, int64_t thread, int64_t q) {
  (void)thread;
  scan_run* run = context;
  if (read_floor(&run->walk.floors[q]) == INFINITY) return;
  candidate_list* lists = run->lists + q * run->walk.num_threads;
  candidate_list all = gather(run, q);
  for (int64_t i = 0; i < run->walk.num_threads; i++) {
    lists[i].size = 0;
    lists[i].raise_at = lists[i].capacity;
  }
  guess_floor(run, q, &all);
  run->guesses[q] = read_floor(&run->walk.floors[q]);
  all.capacity = lists[0].capacity;
  give_up_if_full(run, q, &all);
  lists[0].size = all.size;
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
}

// Whether k scores reach the guess, if there was one.
static int is_confirmed(const scan_run* run, int64_t q) {
  const best_list* best = &run->best[q].list;
  if (run->guesses[q] == -INFINITY) return 1;
  return best->size == run->walk.call->k && best->entries[0].score >= run->guesses[q];
}

// Unfinished queries begin; the floor of the others is infinite, so that nothing is scanned for
// them.
static void start(scan_run* run, const scan_state* states) {
  int64_t k = run->walk.call->k;
  for (int64_t q = 0; q < run->walk.queries->count; q++) {
    atomic_init(&run->walk.floors[q], states[q] == UNFINISHED ? -INFINITY : INFINITY);
    run->guesses[q] = -INFINITY;
    run->best[q] = (shared_best){ATOMIC_FLAG_INIT, {run->best_entries + q * k, 0, k}};
    for (int64_t thread = 0; thread < run->walk.num_threads; thread++) {
      int64_t place = q * run->walk.num_threads + thread;
      candidate* entries = run->entries + place * run->capacity;
      int64_t raise_at = 2 * (run->guess_rank ? run->guess_rank : k);
      run->lists[place] = (candidate_list){entries, 0, run->capacity, raise_at};
    }
  }
}

static void run_once(scan_run* run, scan_state* states) {
  const strip_walk* walk = &run->walk;
  start(run, states);
  if (run->guess_rank) {
    run->is_sampling = 1;
    walk_seeds(walk);
    run_tasks(walk->num_threads, walk->queries->count, finish_sample, run);
    run->is_sampling = 0;
  }
  walk_strips(walk, !run->guess_rank);
  run_tasks(walk->num_threads, walk->queries->count, finish_query, run);
  for (int64_t q = 0; q < walk->queries->count; q++) {
    if (states[q] != UNFINISHED) continue;
    if (read_floor(&walk->floors[q]) == INFINITY) {
      states[q] = NEEDS_ALL;
    } else if (is_confirmed(run, q)) {
      states[q] = ANSWERED;
      write_best(walk->call, walk->first_query + q, &run->best[q].list);
    }
  }
}

// The best k are spread over the items, so few of them are in the sample: with this rank, fewer
// than one query in 10,000 whose items lie at random has more, and the guess is too high.
static int64_t rank_of_guess(const search_call* call, int64_t num_queries) {
  if (num_queries < FEWEST_GUESSES) return 0;
  double num_items = (double)call->items->num_items;
  double share = (double)SEED_ITEMS / (SEED_STRIDE * STRIP);
  double expected = (double)call->k * share;
  double rank = ceil(expected + 4 * sqrt(expected) + 4);
  return num_items * share >= FEWEST_SEEDS && rank * 8 <= num_items * share ? (int64_t)rank : 0;
}

static void scan_and_finish(scan_run* run, scan_state* states) {
  run->guess_rank = rank_of_guess(run->walk.call, run->walk.queries->count);
  run_once(run, states);
  int num_unfinished = 0;
  for (int64_t q = 0; q < run->walk.queries->count; q++) num_unfinished += states[q] == UNFINISHED;
  if (num_unfinished) {
    run->guess_rank = 0;
    run_once(run, states);
  }
  for (int64_t thread = 0; thread < run->walk.num_threads; thread++)
    run->walk.call->counts->num_rescored += run->num_rescored[thread];
}

int scan_codes(const search_call* call, const coded_queries* queries, int64_t first_query,
               scan_state* states) {
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
  run.guesses = malloc(num_queries * sizeof(double));
  run.best = malloc(num_queries * sizeof(shared_best));
  run.best_entries = malloc((num_queries + (size_t)num_threads) * (size_t)call->k * sizeof(scored));
  int result = OUT_OF_MEMORY;
  if (run.walk.floors && run.walk.scratch && run.entries && run.lists && run.best && run.guesses &&
      run.best_entries) {
    scan_and_finish(&run, states);
    result = 0;
  }
  free(run.walk.floors);
  free(run.walk.scratch);
  free(run.entries);
  free(run.lists);
  free(run.best);
  free(run.guesses);
  free(run.best_entries);
  return result;
}
