// Caps on values of attributes, in order of score: each place takes the best candidate that fits.
// Those passed over wait for a later place where that can come.
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "ranked.h"

typedef struct {
  ranked_groups ranked;  // one group
  int64_t* waiting;      // ranks by score of those passed over, ascending
  int64_t* counts;       // by slot, of the places that count now; zero between queries
  int64_t num_waiting;
  int64_t next_rank;  // the best that was not looked at
} workspace;

typedef struct {
  const candidate_rows* rows;
  const int64_t* slots;
  const int64_t* caps;
  int64_t num_slots, num_attributes, window, max_displacement;
  const reranking* out;
  const first_ranks* first;
} capped_call;

// What the places of one query see.
typedef struct {
  const int64_t* slots;
  const int64_t* caps;
  int64_t num_attributes, stride;  // from the slot of one attribute to that of the next
  int64_t last_rank;               // the worst that may come here
  int64_t due_rank;                // the one that must come here, if it waits
  int is_bounded;
  int waits;  // whether those passed over can come later
} place_rules;

static int fits(const place_rules* rules, const int64_t* counts, int64_t position) {
  for (int64_t a = 0; a < rules->num_attributes; a++) {
    int64_t slot = rules->slots[a * rules->stride + position];
    if (slot >= 0 && counts[slot] >= rules->caps[slot]) return 0;
  }
  return 1;
}

static void add_counts(const place_rules* rules, int64_t* counts, int64_t position, int64_t added) {
  for (int64_t a = 0; a < rules->num_attributes; a++) {
    int64_t slot = rules->slots[a * rules->stride + position];
    if (slot >= 0) counts[slot] += added;
  }
}

static int64_t take_waiting(workspace* work, int64_t place) {
  int64_t rank = work->waiting[place];
  work->num_waiting--;
  memmove(work->waiting + place, work->waiting + place + 1,
          (size_t)(work->num_waiting - place) * sizeof(int64_t));
  return rank;
}

// The rank that comes next, -1 if none may.
static int64_t choose(workspace* work, const place_rules* rules) {
  if (rules->is_bounded && work->num_waiting > 0 && work->waiting[0] == rules->due_rank)
    return take_waiting(work, 0);
  for (int64_t i = 0; i < work->num_waiting; i++)
    if (fits(rules, work->counts, ranked_at(&work->ranked, 0, work->waiting[i]).id))
      return take_waiting(work, i);
  while (work->next_rank <= rules->last_rank) {
    int64_t rank = work->next_rank++;
    if (fits(rules, work->counts, ranked_at(&work->ranked, 0, rank).id)) return rank;
    if (rules->waits) work->waiting[work->num_waiting++] = rank;
  }
  return rules->is_bounded ? take_waiting(work, 0) : -1;
}

static void rerank_one(void* room, const void* context, int64_t query) {
  const capped_call* call = context;
  workspace* work = room;
  int64_t num_items = call->rows->num_items, k = call->out->k;
  int64_t* order = call->out->order + query * k;
  int64_t num_open = ranked_fill(&work->ranked, call->rows, call->first, query, NULL, 1);
  int64_t num_places = k < num_open ? k : num_open, place = 0;
  int64_t oldest = 0;  // place that counts
  place_rules rules = {.slots = call->slots + query * num_items,
                       .stride = call->rows->num_queries * num_items,
                       .caps = call->caps,
                       .num_attributes = call->num_attributes,
                       .is_bounded = call->max_displacement >= 0};
  rules.waits = rules.is_bounded || call->window < num_places;
  work->num_waiting = work->next_rank = 0;
  double sum = 0.0;
  for (; place < num_places; place++) {
    int64_t reach = rules.is_bounded ? call->max_displacement : num_open;
    rules.last_rank = reach < num_open - 1 - place ? place + reach : num_open - 1;
    rules.due_rank = place - reach;
    if (place >= call->window) add_counts(&rules, work->counts, order[oldest++], -1);
    int64_t rank = choose(work, &rules);
    if (rank < 0) break;
    scored chosen = ranked_at(&work->ranked, 0, rank);
    order[place] = chosen.id;
    sum += chosen.score;
    add_counts(&rules, work->counts, chosen.id, 1);
  }
  while (oldest < place) add_counts(&rules, work->counts, order[oldest++], -1);
  call->out->lost[query] = ranked_sum(&work->ranked, place) - sum;
}

static int create(void* room, const void* context) {
  workspace* work = room;
  const capped_call* call = context;
  int64_t num_items = call->rows->num_items;
  int result = ranked_create(&work->ranked, num_items, 1);
  work->waiting = malloc(((size_t)num_items + 1) * sizeof(int64_t));
  work->counts = calloc((size_t)call->num_slots + 1, sizeof(int64_t));
  return result == 0 && work->waiting && work->counts ? 0 : OUT_OF_MEMORY;
}

static void release(void* room) {
  workspace* work = room;
  ranked_release(&work->ranked);
  free(work->waiting);
  free(work->counts);
}

int capped(const simd_set* simd, const candidate_rows* rows, const int64_t* slots,
           int64_t num_attributes, const int64_t* caps, int64_t num_slots, int64_t window,
           int64_t max_displacement, int64_t num_threads, const reranking* out) {
  static const worker rule = {sizeof(workspace), create, release, rerank_one};
  first_ranks first = {0};
  capped_call call = {rows, slots, caps, num_slots, num_attributes, window, max_displacement,
                      out,  &first};
  return rerank_by(&rule, &call, simd, rows, out->k, num_threads, &first);
}
