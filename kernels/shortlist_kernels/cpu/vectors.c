#include "vectors.h"

#include <math.h>
#include <stdlib.h>

// Sum of values * factors, or of values where factors is NULL, in the order of simd.h.
static double lane_sum(const double* values, const double* factors, int64_t count) {
  double lanes[LANES] = {0};
  for (int64_t d = 0; d < count; d++)
    lanes[d % LANES] += factors ? values[d] * factors[d] : values[d];
  double even = (lanes[0] + lanes[4]) + (lanes[2] + lanes[6]);
  double odd = (lanes[1] + lanes[5]) + (lanes[3] + lanes[7]);
  return even + odd;
}

static double centre(double* values, int64_t dim) {
  double mean = lane_sum(values, 0, dim) / (double)dim;
  for (int64_t d = 0; d < dim; d++) values[d] -= mean;
  return mean;
}

double prepare_query(metric_kind metric, const float* query, int64_t dim, double* values) {
  for (int64_t d = 0; d < dim; d++) values[d] = query[d];
  for (int64_t d = dim; d < padded_dim(dim); d++) values[d] = 0.0;
  if (metric == INNER_PRODUCT || metric == EUCLIDEAN) return 1.0;
  if (metric == PEARSON) centre(values, dim);
  return sqrt(lane_sum(values, values, dim));
}

int row_statistics(metric_kind metric, const float* vectors, int64_t num_rows, int64_t dim,
                   double* means, double* norms) {
  if (metric == INNER_PRODUCT || metric == EUCLIDEAN) return 0;
  double* values = malloc((size_t)dim * sizeof(double));
  if (!values) return OUT_OF_MEMORY;
  for (int64_t i = 0; i < num_rows; i++) {
    for (int64_t d = 0; d < dim; d++) values[d] = vectors[i * dim + d];
    if (metric == PEARSON) means[i] = centre(values, dim);
    norms[i] = sqrt(lane_sum(values, values, dim));
  }
  free(values);
  return 0;
}

void score_rows(const simd_set* simd, const vector_set* items, const double* query, double norm,
                int64_t first, int64_t count, double* scores) {
  const float* rows = items->vectors + first * items->dim;
  if (items->metric == EUCLIDEAN) {
    simd->squared_distance(rows, count, items->dim, query, scores);
    for (int64_t i = 0; i < count; i++) scores[i] = 0.0 - scores[i];
    return;
  }
  if (items->metric == PEARSON)
    simd->centred_dot(rows, count, items->dim, query, items->means + first, scores);
  else
    simd->dot(rows, count, items->dim, query, scores);
  if (items->metric == INNER_PRODUCT) return;
  for (int64_t i = 0; i < count; i++) {
    double norms = norm * items->norms[first + i];
    scores[i] = norms != 0.0 ? scores[i] / norms : 0.0;
  }
}

int score(const simd_set* simd, const vector_set* items, const float* queries, int64_t num_queries,
          const int64_t* positions, int64_t num_positions, float* scores) {
  double* query = malloc((size_t)padded_dim(items->dim) * sizeof(double));
  if (!query) return OUT_OF_MEMORY;
  for (int64_t q = 0; q < num_queries; q++) {
    double norm = prepare_query(items->metric, queries + q * items->dim, items->dim, query);
    for (int64_t m = q * num_positions; m < (q + 1) * num_positions; m++) {
      if (positions[m] < 0) continue;
      double exact;
      score_rows(simd, items, query, norm, positions[m], 1, &exact);
      scores[m] = (float)exact;
    }
  }
  free(query);
  return 0;
}
