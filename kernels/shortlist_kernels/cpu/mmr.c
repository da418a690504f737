// Maximal marginal relevance (Carbonell and Goldstein 1998), greedy: after each choice one pass
// over the candidates renews their largest cosine to what was chosen.
#include <math.h>
#include <stdlib.h>

#include "select.h"
#include "vectors.h"

typedef struct {
  const float* vectors;
  int64_t num_items, dim;
} candidate_set;

typedef struct {
  double* closest;   // the largest cosine to those chosen
  double* cosines;   // with the one chosen last
  double* norms;     // of the candidates
  double* query;     // the one chosen last, as prepare_query writes it
  uint8_t* is_open;  // neither chosen nor barred
  scored* entries;   // room to sort the scores
} workspace;

static int create(workspace* work, int64_t num_items, int64_t dim) {
  size_t length = (size_t)num_items + 1;
  work->closest = malloc(length * sizeof(double));
  work->cosines = malloc(length * sizeof(double));
  work->norms = malloc(length * sizeof(double));
  work->query = malloc((size_t)padded_dim(dim) * sizeof(double) + 1);
  work->is_open = malloc(length);
  work->entries = malloc(length * sizeof(scored));
  return work->closest && work->cosines && work->norms && work->query && work->is_open &&
                 work->entries
             ? 0
             : OUT_OF_MEMORY;
}

static void release(workspace* work) {
  free(work->closest);
  free(work->cosines);
  free(work->norms);
  free(work->query);
  free(work->is_open);
  free(work->entries);
}

static int64_t open_candidates(const double* scores, int64_t num_items, workspace* work) {
  int64_t num_open = 0;
  for (int64_t i = 0; i < num_items; i++) {
    work->is_open[i] = scores[i] != -INFINITY;
    work->closest[i] = 0.0;
    num_open += work->is_open[i];
  }
  return num_open;
}

static int64_t best_candidate(const double* scores, int64_t num_items, double diversity,
                              const workspace* work) {
  double keep = 1.0 - diversity, best_value = 0.0;
  int64_t best = -1;
  for (int64_t i = 0; i < num_items; i++) {
    if (!work->is_open[i]) continue;
    double value = keep * scores[i] - diversity * work->closest[i];
    if (best < 0 || value > best_value) {
      best = i;
      best_value = value;
    }
  }
  return best;
}

static void renew_closest(const simd_set* simd, const candidate_set* items, int64_t chosen,
                          int is_first, workspace* work) {
  const float* vector = items->vectors + chosen * items->dim;
  double norm = prepare_query(COSINE, vector, items->dim, work->query);
  score_cosines(simd, items->vectors, work->norms, items->num_items, items->dim, work->query, norm,
                work->cosines);
  for (int64_t i = 0; i < items->num_items; i++)
    if (is_first || work->cosines[i] > work->closest[i]) work->closest[i] = work->cosines[i];
}

static double sum_of_best(const double* scores, int64_t num_items, int64_t count, scored* entries) {
  best_list best = {entries, 0, count};
  for (int64_t i = 0; i < num_items; i++) {
    scored entry = {scores[i], i};
    if (best_admits(&best, entry)) best_take(&best, entry);
  }
  best_sort(&best);
  double sum = 0.0;
  for (int64_t i = 0; i < best.size; i++) sum += best.entries[i].score;
  return sum;
}

static double rerank_one(const simd_set* simd, const candidate_set* items, const double* scores,
                         int64_t k, double diversity, workspace* work, int64_t* order) {
  int64_t num_open = open_candidates(scores, items->num_items, work);
  int64_t num_chosen = k < num_open ? k : num_open;
  double sum = 0.0;
  for (int64_t place = 0; place < num_chosen; place++) {
    int64_t chosen = best_candidate(scores, items->num_items, diversity, work);
    order[place] = chosen;
    work->is_open[chosen] = 0;
    sum += scores[chosen];
    if (place + 1 < num_chosen) renew_closest(simd, items, chosen, place == 0, work);
  }
  return sum_of_best(scores, items->num_items, num_chosen, work->entries) - sum;
}

int mmr(const simd_set* simd, const float* vectors, const double* scores, int64_t num_queries,
        int64_t num_items, int64_t dim, int64_t k, const double* diversity, int64_t* order,
        double* lost) {
  workspace work;
  int result = create(&work, num_items, dim);
  for (int64_t q = 0; q < num_queries && result == 0; q++) {
    const float* rows = vectors + q * num_items * dim;
    candidate_set items = {rows, num_items, dim};
    result = row_statistics(COSINE, rows, num_items, dim, 0, work.norms);
    if (result == 0)
      lost[q] =
          rerank_one(simd, &items, scores + q * num_items, k, diversity[q], &work, order + q * k);
  }
  release(&work);
  return result;
}
