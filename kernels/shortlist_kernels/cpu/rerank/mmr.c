// Maximal marginal relevance (Carbonell and Goldstein 1998). The largest cosine to those chosen
// only rises with each choice, so the value of a candidate only falls.
#include <math.h>
#include <stdlib.h>

#include "greedy.h"

typedef struct {
  greedy choice;
  double* relevance;  // (1 - diversity) * score
  double* closest;    // the largest cosine to those chosen that the candidate has seen
  double* chosen_norms;
  double diversity;
} workspace;

static double learn(void* rule, int64_t item, int64_t first, int64_t count,
                    const double* products) {
  workspace* work = rule;
  double closest = first == 0 ? -INFINITY : work->closest[item], norm = work->choice.norms[item];
  for (int64_t c = 0; c < count; c++) {
    double norms = norm * work->chosen_norms[first + c];
    double cosine = norms != 0.0 ? products[c] / norms : 0.0;
    if (cosine > closest) closest = cosine;
  }
  work->closest[item] = closest;
  return work->relevance[item] - work->diversity * closest;
}

// What candidates are worth at most once something is chosen, and cosines count: no cosine that was
// summed in float64 is below -1 by more than the rounding of its sums.
static void expect_opposites(workspace* work) {
  greedy* choice = &work->choice;
  double least_cosine = -1.0 - ldexp((double)(choice->dim + 16), -50);
  for (int64_t i = 0; i < choice->num_items; i++)
    if (choice->bounds[i] != -INFINITY)
      choice->bounds[i] = work->relevance[i] - work->diversity * least_cosine;
}

static int64_t choose(void* rule, const double* scores, int64_t k, int64_t* order) {
  workspace* work = rule;
  greedy* choice = &work->choice;
  double keep = 1.0 - work->diversity;
  for (int64_t i = 0; i < choice->num_items; i++) {
    if (scores[i] == -INFINITY) continue;
    work->relevance[i] = choice->bounds[i] = keep * scores[i];
  }
  for (int64_t place = 0; place < k; place++) {
    order[place] = greedy_best(choice, -INFINITY);
    greedy_choose(choice, order[place]);
    work->chosen_norms[place] = choice->norms[order[place]];
    if (place == 0) expect_opposites(work);
  }
  return k;
}

static int create(void* room, const void* context) {
  workspace* work = room;
  const greedy_call* call = context;
  size_t items = (size_t)call->batch->num_items + 1;
  int result = greedy_create(&work->choice, call);
  work->choice.learn = learn;
  work->choice.choose = choose;
  work->choice.rule = work;
  work->relevance = malloc(items * sizeof(double));
  work->closest = malloc(items * sizeof(double));
  work->chosen_norms = malloc((size_t)(greedy_most(call) + 1) * sizeof(double));
  return work->relevance && work->closest && work->chosen_norms ? result : OUT_OF_MEMORY;
}

static void release(void* room) {
  workspace* work = room;
  greedy_free(&work->choice);
  free(work->relevance);
  free(work->closest);
  free(work->chosen_norms);
}

static void rerank_query(void* room, const void* context, int64_t query) {
  workspace* work = room;
  const greedy_call* call = context;
  work->diversity = call->weights[query];
  greedy_rerank(&work->choice, call, query);
}

int mmr(const simd_set* simd, const candidate_batch* batch, const double* diversity, int64_t k,
        int64_t num_threads, int64_t* order, double* lost) {
  static const worker rule = {sizeof(workspace), create, release, rerank_query};
  greedy_call call = {simd, batch, diversity, k, order, lost};
  return greedy_run(&rule, &call, num_threads);
}
