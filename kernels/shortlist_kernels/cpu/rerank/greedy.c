#include "greedy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cores.h"

enum {
  AT_ONCE = 4,                // choices that a candidate learns of before its bound is looked at
  WORK_PER_THREAD = 1 << 16,  // values of vectors; for less it does not pay to wake a thread
};

typedef struct {
  int64_t item;
  double value;
} leader;

int64_t greedy_most(const greedy_call* call) {
  return call->k < call->batch->num_items ? call->k : call->batch->num_items;
}

int greedy_create(greedy* choice, const greedy_call* call) {
  const candidate_batch* batch = call->batch;
  size_t items = (size_t)batch->num_items + 1;
  size_t values = (size_t)(greedy_most(call) * padded_dim(batch->dim)) + 1;
  *choice = (greedy){.simd = call->simd, .num_items = batch->num_items, .dim = batch->dim};
  choice->bounds = malloc(items * sizeof(double));
  choice->num_seen = malloc(items * sizeof(int64_t));
  choice->norms = malloc(items * sizeof(double));
  choice->directions = malloc(values * sizeof(double));
  choice->entries = malloc(items * sizeof(scored));
  int is_complete =
      choice->bounds && choice->num_seen && choice->norms && choice->directions && choice->entries;
  return is_complete ? 0 : OUT_OF_MEMORY;
}

void greedy_free(greedy* choice) {
  free(choice->bounds);
  free(choice->num_seen);
  free(choice->norms);
  free(choice->directions);
  free(choice->entries);
}

// Bars the candidates with score -INFINITY; how many are left.
static int64_t begin(greedy* choice, const float* vectors, const double* scores) {
  int64_t num_open = 0;
  choice->vectors = vectors;
  choice->num_chosen = 0;
  choice->likely = -1;
  for (int64_t i = 0; i < choice->num_items; i++) {
    choice->num_seen[i] = 0;
    choice->bounds[i] = -INFINITY;
    num_open += scores[i] != -INFINITY;
  }
  return num_open;
}

// Lets the candidate learn of choices until it knows all, or its value is below `floor`.
static void renew(greedy* choice, int64_t item, double floor) {
  double products[AT_ONCE];
  int64_t dim = choice->dim, seen = choice->num_seen[item];
  const float* vector = choice->vectors + item * dim;
  if (seen == 0 && choice->num_chosen > 0) choice->norms[item] = sqrt(squared_norm(vector, dim));
  while (seen < choice->num_chosen && choice->bounds[item] >= floor) {
    int64_t count = choice->num_chosen - seen;
    if (count > AT_ONCE) count = AT_ONCE;
    const double* directions = choice->directions + seen * padded_dim(dim);
    choice->simd->project(vector, dim, directions, count, products);
    choice->bounds[item] = choice->learn(choice->rule, item, seen, count, products);
    seen += count;
  }
  choice->num_seen[item] = seen;
}

static int leads(leader entry, leader other) {
  return entry.value > other.value || (entry.value == other.value && entry.item < other.item);
}

static void consider(greedy* choice, int64_t item, leader* best) {
  if (!leads((leader){item, choice->bounds[item]}, *best)) return;
  renew(choice, item, best->value);
  int64_t beaten = item;
  leader entry = {item, choice->bounds[item]};
  if (choice->num_seen[item] == choice->num_chosen && leads(entry, *best)) {
    beaten = best->item;
    *best = entry;
  }
  if (beaten >= 0 &&
      (choice->likely < 0 || choice->bounds[beaten] > choice->bounds[choice->likely]))
    choice->likely = beaten;
}

int64_t greedy_best(greedy* choice, double least) {
  leader best = {-1, least};
  int64_t first = choice->likely;
  choice->likely = -1;
  // A good one to begin with spares others.
  if (first >= 0) consider(choice, first, &best);
  for (int64_t i = 0; i < choice->num_items; i++)
    if (choice->bounds[i] >= best.value) consider(choice, i, &best);
  return best.item;
}

double* greedy_choose(greedy* choice, int64_t item) {
  int64_t dim = choice->dim;
  const float* vector = choice->vectors + item * dim;
  double* direction = choice->directions + choice->num_chosen * padded_dim(dim);
  for (int64_t d = 0; d < dim; d++) direction[d] = vector[d];
  for (int64_t d = dim; d < padded_dim(dim); d++) direction[d] = 0.0;
  if (choice->num_seen[item] == 0) choice->norms[item] = sqrt(squared_norm(vector, dim));
  choice->bounds[item] = -INFINITY;
  choice->num_chosen++;
  return direction;
}

static void find_best(greedy* choice, const double* scores, int64_t count, int among_open) {
  best_list best = {choice->entries, 0, count};
  for (int64_t i = 0; i < choice->num_items; i++) {
    scored entry = {scores[i], i};
    if (among_open && choice->bounds[i] == -INFINITY) continue;
    if (best_admits(&best, entry)) best_take(&best, entry);
  }
  best_sort(&best);
}

// Writes the positions of the best `count` scores among the candidates still open.
static void fill(greedy* choice, const double* scores, int64_t count, int64_t* positions) {
  find_best(choice, scores, count, 1);
  for (int64_t i = 0; i < count; i++) positions[i] = choice->entries[i].id;
}

// The sum of the best `count` scores, minus that of those at `positions`.
static double relevance_lost(greedy* choice, const double* scores, const int64_t* positions,
                             int64_t count) {
  double best = 0.0, taken = 0.0;
  find_best(choice, scores, count, 0);
  for (int64_t i = 0; i < count; i++) {
    best += choice->entries[i].score;
    taken += scores[positions[i]];
  }
  return best - taken;
}

void greedy_rerank(greedy* choice, const greedy_call* call, int64_t query) {
  const candidate_batch* batch = call->batch;
  const double* scores = batch->scores + query * batch->num_items;
  int64_t* order = call->order + query * call->k;
  int64_t num_open = begin(choice, batch->vectors + query * batch->num_items * batch->dim, scores);
  int64_t count = call->k < num_open ? call->k : num_open;
  int64_t num_chosen = choice->choose(choice->rule, scores, count, order);
  fill(choice, scores, count - num_chosen, order + num_chosen);
  call->lost[query] = relevance_lost(choice, scores, order, count);
}

int greedy_run(const worker* rule, const greedy_call* call, int64_t num_threads) {
  const candidate_batch* batch = call->batch;
  if (num_threads == 0) {
    int64_t useful = batch->num_queries * batch->num_items * batch->dim / WORK_PER_THREAD;
    int64_t cores = available_cores();
    num_threads = useful < 1 ? 1 : cores < useful ? cores : useful;
  }
  return run_workers(rule, call, num_threads, batch->num_queries);
}
