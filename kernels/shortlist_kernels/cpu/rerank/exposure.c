// Minimum and maximum shares in every prefix, with the least relevance lost; `reference.exposure`
// proves it. Item j of a group is a job of one unit: it may be placed from the first place on whose
// maximum admits j items (its release), and must be by the first whose minimum demands them (its
// deadline).
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "ranked.h"

// Of one group, for its next item: `chosen` counts in the first pass, `placed` in the second.
typedef struct {
  double min_share, max_share;
  int64_t size, chosen, placed;
  int64_t release, deadline;
  int is_closed;
  scored head;
} group_state;

typedef struct {
  ranked_groups ranked;
  group_state* groups;
  int64_t* slack;  // by place: room for more items that are released here or later
  int64_t* due;    // by place: items not yet placed that must be by here
  int64_t num_groups, num_places;
  int64_t num_held;  // places up to which maxima count
} workspace;

typedef struct {
  const candidate_rows* rows;
  const double* min_shares;
  const double* max_shares;
  int64_t num_groups;
  const reranking* out;
  const first_ranks* first;
} exposure_call;

// Shares come from decimals: what is within this of a whole number of items counts as that.
static const double TOLERANCE = 1e-9;

static int64_t lower_bound(const group_state* group, int64_t place) {
  int64_t least = (int64_t)(group->min_share * (double)place + TOLERANCE);
  return least < group->size ? least : group->size;
}

static int64_t upper_bound(const group_state* group, int64_t place) {
  double most = group->max_share * (double)place - TOLERANCE;
  int64_t whole = (int64_t)most;
  return whole + ((double)whole < most);
}

// From the place of the item before; num_places + 1 where it may never be taken.
static int64_t release_of(const workspace* work, const group_state* group, int64_t item,
                          int64_t place) {
  while (place <= work->num_held && upper_bound(group, place) < item) place++;
  return place;
}

static int64_t deadline_of(const workspace* work, const group_state* group, int64_t item,
                           int64_t place) {
  while (place < work->num_places && lower_bound(group, place) < item) place++;
  return place;
}

// Makes room for an item released at `release`. The border is the first place from which on no more
// can be released.
static void take_room(workspace* work, int64_t release, int64_t* border) {
  for (int64_t place = 1; place <= release; place++)
    if (--work->slack[place] <= 0 && place < *border) *border = place;
}

static void reset_groups(workspace* work) {
  for (int64_t g = 0; g < work->num_groups; g++) {
    group_state* group = &work->groups[g];
    group->chosen = group->placed = 0;
    group->release = group->deadline = 1;
    group->is_closed = 0;
  }
}

// What the minima demand; how many that is.
static int64_t choose_demanded(workspace* work, int64_t* border) {
  int64_t num_chosen = 0;
  for (int64_t g = 0; g < work->num_groups; g++) {
    group_state* group = &work->groups[g];
    int64_t demanded = lower_bound(group, work->num_places);
    num_chosen += demanded;
    for (int64_t item = 1; item <= demanded; item++) {
      group->release = release_of(work, group, item, group->release);
      take_room(work, group->release, border);
    }
    group->chosen = demanded;
  }
  return num_chosen;
}

// Looks at the next item of a group: sets its release and head, or closes the group.
static void open_next(workspace* work, int64_t g, int64_t border) {
  group_state* group = &work->groups[g];
  group->is_closed = group->chosen == group->size;
  if (group->is_closed) return;
  group->release = release_of(work, group, group->chosen + 1, group->release);
  group->is_closed = group->release >= border;
  if (!group->is_closed) group->head = ranked_at(&work->ranked, g, group->chosen);
}

// How many of each group are taken: what is demanded, then by score whatever leaves a schedule.
static int choose(workspace* work) {
  int64_t border = work->num_places + 1;
  for (int64_t place = 1; place <= work->num_places; place++)
    work->slack[place] = work->num_places - place + 1;
  int64_t num_chosen = choose_demanded(work, &border);
  for (int64_t g = 0; g < work->num_groups; g++) open_next(work, g, border);
  for (; num_chosen < work->num_places; num_chosen++) {
    group_state* best = NULL;
    for (int64_t g = 0; g < work->num_groups; g++) {
      group_state* group = &work->groups[g];
      if (group->is_closed || group->release >= border) continue;
      if (!best || precedes(group->head, best->head)) best = group;
    }
    if (!best) return 0;
    take_room(work, best->release, &border);
    best->chosen++;
    open_next(work, best - work->groups, border);
  }
  return 1;
}

static void look_at_next(workspace* work, int64_t g) {
  group_state* group = &work->groups[g];
  if (group->placed == group->chosen) return;
  int64_t item = group->placed + 1;
  group->release = release_of(work, group, item, group->release);
  group->deadline = deadline_of(work, group, item, group->deadline);
  group->head = ranked_at(&work->ranked, g, group->placed);
}

static void count_due(workspace* work) {
  memset(work->due, 0, ((size_t)work->num_places + 2) * sizeof(int64_t));
  for (int64_t g = 0; g < work->num_groups; g++) {
    group_state* group = &work->groups[g];
    int64_t deadline = 1;
    for (int64_t item = 1; item <= group->chosen; item++) {
      deadline = deadline_of(work, group, item, deadline);
      work->due[deadline]++;
    }
    group->release = group->deadline = 1;
  }
  for (int64_t place = 1; place <= work->num_places; place++)
    work->due[place] += work->due[place - 1];
}

// The best next item that is released and leaves every other one in time.
static group_state* best_at(workspace* work, int64_t place) {
  int64_t tight = place;
  while (work->due[tight] < tight - place + 1) tight++;
  group_state* best = NULL;
  for (int64_t g = 0; g < work->num_groups; g++) {
    group_state* group = &work->groups[g];
    if (group->placed == group->chosen || group->release > place || group->deadline > tight)
      continue;
    if (!best || precedes(group->head, best->head)) best = group;
  }
  return best;
}

static int place_chosen(workspace* work, int64_t* order, double* sum) {
  count_due(work);
  for (int64_t g = 0; g < work->num_groups; g++) look_at_next(work, g);
  *sum = 0.0;
  for (int64_t place = 1; place <= work->num_places; place++) {
    group_state* best = best_at(work, place);
    if (!best) return 0;
    order[place - 1] = best->head.id;
    *sum += best->head.score;
    for (int64_t t = best->deadline; t <= work->num_places; t++) work->due[t]--;
    best->placed++;
    look_at_next(work, best - work->groups);
  }
  return 1;
}

static int attempt(workspace* work, int64_t num_held, int64_t* order, double* sum) {
  work->num_held = num_held;
  reset_groups(work);
  return choose(work) && place_chosen(work, order, sum);
}

// With maxima up to as many places as can be: none at all always leaves an order.
static double longest_attempt(workspace* work, int64_t* order) {
  double sum = 0.0;
  if (attempt(work, work->num_places, order, &sum)) return sum;
  int64_t possible = 0, impossible = work->num_places;
  while (impossible - possible > 1) {
    int64_t middle = possible + (impossible - possible) / 2;
    if (attempt(work, middle, order, &sum))
      possible = middle;
    else
      impossible = middle;
  }
  attempt(work, possible, order, &sum);
  return sum;
}

static void rerank_one(void* room, const void* context, int64_t query) {
  const exposure_call* call = context;
  const candidate_rows* rows = call->rows;
  workspace* work = room;
  int64_t num_open = ranked_fill(&work->ranked, rows, call->first, query,
                                 rows->groups + query * rows->num_items, call->num_groups);
  work->num_groups = call->num_groups;
  work->num_places = call->out->k < num_open ? call->out->k : num_open;
  for (int64_t g = 0; g < call->num_groups; g++) {
    int64_t row = query * call->num_groups + g;
    work->groups[g].size = ranked_size(&work->ranked, g);
    work->groups[g].min_share = call->min_shares[row];
    work->groups[g].max_share = call->max_shares[row];
  }
  double sum = longest_attempt(work, call->out->order + query * call->out->k);
  call->out->lost[query] = ranked_sum(&work->ranked, work->num_places) - sum;
}

static int create(void* room, const void* context) {
  workspace* work = room;
  const exposure_call* call = context;
  int64_t num_items = call->rows->num_items, k = call->out->k;
  size_t num_places = (size_t)(k < num_items ? k : num_items);
  int result = ranked_create(&work->ranked, num_items, call->num_groups);
  work->groups = malloc((size_t)call->num_groups * sizeof(group_state) + 1);
  work->slack = malloc((num_places + 2) * sizeof(int64_t));
  work->due = malloc((num_places + 2) * sizeof(int64_t));
  return result == 0 && work->groups && work->slack && work->due ? 0 : OUT_OF_MEMORY;
}

static void release(void* room) {
  workspace* work = room;
  ranked_release(&work->ranked);
  free(work->groups);
  free(work->slack);
  free(work->due);
}

int exposure(const simd_set* simd, const candidate_rows* rows, const double* min_shares,
             const double* max_shares, int64_t num_groups, int64_t num_threads,
             const reranking* out) {
  static const worker rule = {sizeof(workspace), create, release, rerank_one};
  first_ranks first = {0};
  exposure_call call = {rows, min_shares, max_shares, num_groups, out, &first};
  return rerank_by(&rule, &call, simd, rows, out->k, num_threads, &first);
}
