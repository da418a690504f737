// Maximal marginal relevance (Carbonell and Goldstein 1998). The largest cosine to those chosen
// only rises with each choice, so the value of a candidate only falls.
#include <math.h>
#include <stdlib.h>

#include "greedy.h"
#include "threads.h"

typedef struct {
  greedy choice;
  double* relevance;  // (1 - diversity) * score
  double* closest;    // the largest cosine to those chosen that the candidate has seen
  double* chosen_norms;
  double diversity;
} workspace;

typedef struct {
  const candidate_batch* batch;
  const double* diversity;
  int64_t k;
  int64_t* order;
  double* lost;
  workspace* work;  // one per thread
} mmr_call;

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

static int create(workspace* work, const simd_set* simd, const candidate_batch* batch, int64_t k) {
  size_t items = (size_t)batch->num_items + 1;
  int64_t most = k < batch->num_items ? k : batch->num_items;
  int result = greedy_create(&work->choice, simd, batch, most);
  work->choice.learn = learn;
  work->choice.rule = work;
  work->relevance = malloc(items * sizeof(double));
  work->closest = malloc(items * sizeof(double));
  work->chosen_norms = malloc((size_t)(most + 1) * sizeof(double));
  return work->relevance && work->closest && work->chosen_norms ? result : OUT_OF_MEMORY;
}

static void release(workspace* work) {
  greedy_free(&work->choice);
  free(work->relevance);
  free(work->closest);
  free(work->chosen_norms);
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

static void choose(workspace* work, const double* scores, int64_t k, int64_t* order) {
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
}

static void rerank_query(void* context, int64_t thread, int64_t q) {
  const mmr_call* call = context;
  const candidate_batch* batch = call->batch;
  workspace* work = &call->work[thread];
  const double* scores = batch->scores + q * batch->num_items;
  int64_t* order = call->order + q * call->k;
  work->diversity = call->diversity[q];
  int64_t num_open =
      greedy_begin(&work->choice, batch->vectors + q * batch->num_items * batch->dim, scores);
  int64_t count = call->k < num_open ? call->k : num_open;
  choose(work, scores, count, order);
  call->lost[q] = relevance_lost(&work->choice, scores, order, count);
}

int mmr(const simd_set* simd, const candidate_batch* batch, const double* diversity, int64_t k,
        int64_t num_threads, int64_t* order, double* lost) {
  workspace work[MAX_THREADS];
  mmr_call call = {batch, diversity, k, order, lost, work};
  int result = 0;
  num_threads = greedy_threads(batch, num_threads);
  for (int64_t t = 0; t < num_threads; t++)
    if (create(&work[t], simd, batch, k) != 0) result = OUT_OF_MEMORY;
  if (result == 0) run_tasks(num_threads, batch->num_queries, rerank_query, &call);
  for (int64_t t = 0; t < num_threads; t++) release(&work[t]);
  return result;
}
