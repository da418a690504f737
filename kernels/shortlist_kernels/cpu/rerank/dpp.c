// Greedy inference for a determinantal point process (Chen, Zhang and Zhou 2018), with the factor
// of the kernel by Gram-Schmidt: what is left of a candidate's 1 on the diagonal, its residual, is
// its squared distance from the span of those chosen, and only falls.
#include <math.h>
#include <stdlib.h>

#include "greedy.h"

// See reference/diversity.py.
static const double LEAST_RESIDUAL = 1e-10, CANCELLING_RESIDUAL = 0.5;

typedef struct {
  greedy choice;  // its directions are orthonormal
  const double* weights;
  double* residuals;
  double* parts;  // of a vector along each direction
} workspace;

static double gain(const workspace* work, int64_t item) {
  double residual = work->residuals[item];
  return residual > LEAST_RESIDUAL ? work->weights[item] * residual : 0.0;
}

static double learn(void* rule, int64_t item, int64_t first, int64_t count,
                    const double* products) {
  workspace* work = rule;
  double norm = work->choice.norms[item], inverse = norm != 0.0 ? 1.0 / norm : 0.0;
  double residual = work->residuals[item];
  (void)first;
  for (int64_t c = 0; c < count; c++) {
    double part = products[c] * inverse;
    residual -= part * part;
  }
  work->residuals[item] = residual;
  return gain(work, item);
}

// Subtracts the parts along `count` directions one after the other, several in one pass over the
// vector.
static void subtract(double* restrict vector, const double* directions, const double* parts,
                     int64_t count, int64_t length) {
  int64_t t = 0;
  for (; t + 4 <= count; t += 4) {
    const double *first = directions + t * length, *second = first + length;
    const double *third = second + length, *fourth = third + length;
    for (int64_t d = 0; d < length; d++) {
      double rest = vector[d] - parts[t] * first[d];
      rest -= parts[t + 1] * second[d];
      rest -= parts[t + 2] * third[d];
      vector[d] = rest - parts[t + 3] * fourth[d];
    }
  }
  for (; t < count; t++)
    for (int64_t d = 0; d < length; d++) vector[d] -= parts[t] * directions[t * length + d];
}

// Makes the vector in `direction` of length 1 and orthogonal to the directions before it.
static void orthonormalize(workspace* work, int64_t item, double* direction) {
  const greedy* choice = &work->choice;
  int64_t length = padded_dim(choice->dim), count = choice->num_chosen - 1;
  if (choice->norms[item] == 0.0) return;
  double inverse = 1.0 / choice->norms[item];
  choice->simd->project(choice->vectors + item * choice->dim, choice->dim, choice->directions,
                        count, work->parts);
  for (int64_t t = 0; t < count; t++) work->parts[t] *= inverse;
  for (int64_t d = 0; d < length; d++) direction[d] *= inverse;
  subtract(direction, choice->directions, work->parts, count, length);
  if (work->residuals[item] < CANCELLING_RESIDUAL) {
    for (int64_t t = 0; t < count; t++)
      work->parts[t] = lane_product(direction, choice->directions + t * length, length);
    subtract(direction, choice->directions, work->parts, count, length);
  }
  inverse = 1.0 / sqrt(lane_product(direction, direction, length));
  for (int64_t d = 0; d < length; d++) direction[d] *= inverse;
}

// As many as add to the determinant.
static int64_t choose(void* rule, const double* scores, int64_t k, int64_t* order) {
  workspace* work = rule;
  greedy* choice = &work->choice;
  for (int64_t i = 0; i < choice->num_items; i++) {
    work->residuals[i] = 1.0;
    if (scores[i] != -INFINITY) choice->bounds[i] = gain(work, i);
  }
  for (int64_t place = 0; place < k; place++) {
    int64_t item = greedy_best(choice, 0.0);
    if (item < 0) return place;
    order[place] = item;
    orthonormalize(work, item, greedy_choose(choice, item));
  }
  return k;
}

static int create(void* room, const void* context) {
  workspace* work = room;
  const greedy_call* call = context;
  int result = greedy_create(&work->choice, call);
  work->choice.learn = learn;
  work->choice.choose = choose;
  work->choice.rule = work;
  work->residuals = malloc((size_t)(call->batch->num_items + 1) * sizeof(double));
  work->parts = malloc((size_t)(greedy_most(call) + 1) * sizeof(double));
  return work->residuals && work->parts ? result : OUT_OF_MEMORY;
}

static void release(void* room) {
  workspace* work = room;
  greedy_free(&work->choice);
  free(work->residuals);
  free(work->parts);
}

static void rerank_query(void* room, const void* context, int64_t query) {
  workspace* work = room;
  const greedy_call* call = context;
  work->weights = call->weights + query * call->batch->num_items;
  greedy_rerank(&work->choice, call, query);
}

int dpp(const simd_set* simd, const candidate_batch* batch, const double* weights, int64_t k,
        int64_t num_threads, int64_t* order, double* lost) {
  static const worker rule = {sizeof(workspace), create, release, rerank_query};
  greedy_call call = {simd, batch, weights, k, order, lost};
  return greedy_run(&rule, &call, num_threads);
}
