#include "vectors.h"

#include <math.h>
#include <stdlib.h>

#include "store.h"

static double reduce_lanes(const double* lanes) {
  double even = (lanes[0] + lanes[4]) + (lanes[2] + lanes[6]);
  double odd = (lanes[1] + lanes[5]) + (lanes[3] + lanes[7]);
  return even + odd;
}

// Sum of values * factors, or of values where factors is NULL, in the order of simd.h.
static double lane_sum(const double* values, const double* factors, int64_t count) {
  double lanes[LANES] = {0};
  for (int64_t d = 0; d < count; d++)
    lanes[d % LANES] += factors ? values[d] * factors[d] : values[d];
  return reduce_lanes(lanes);
}

double lane_product(const double* left, const double* right, int64_t count) {
  double lanes[LANES] = {0};
  for (int64_t i = 0; i < count; i += LANES)
    for (int lane = 0; lane < LANES; lane++) lanes[lane] += left[i + lane] * right[i + lane];
  return reduce_lanes(lanes);
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

double squared_norm(const float* row, int64_t dim) {
  double lanes[LANES] = {0};
  int64_t whole = dim - dim % LANES;
  for (int64_t d = 0; d < whole; d += LANES)
    for (int j = 0; j < LANES; j++) lanes[j] += (double)row[d + j] * (double)row[d + j];
  for (int64_t d = whole; d < dim; d++) lanes[d - whole] += (double)row[d] * (double)row[d];
  return reduce_lanes(lanes);
}

// The mean of a row and its norm about it, in the order of simd.h.
static double mean_and_norm(const float* row, int64_t dim, double* mean) {
  double sums[LANES] = {0}, squares[LANES] = {0};
  for (int64_t d = 0; d < dim; d++) sums[d % LANES] += (double)row[d];
  *mean = reduce_lanes(sums) / (double)dim;
  for (int64_t d = 0; d < dim; d++) {
    double value = (double)row[d] - *mean;
    squares[d % LANES] += value * value;
  }
  return sqrt(reduce_lanes(squares));
}

const float* comparable_row(metric_kind metric, const float* row, int64_t dim, float* scratch) {
  if (metric == INNER_PRODUCT || metric == EUCLIDEAN) return row;
  double mean = 0, norm;
  if (metric == PEARSON)
    norm = mean_and_norm(row, dim, &mean);
  else
    norm = sqrt(squared_norm(row, dim));
  for (int64_t d = 0; d < dim; d++)
    scratch[d] = norm != 0 ? (float)(((double)row[d] - mean) / norm) : 0;
  return scratch;
}

static void score_correlations(const simd_set* simd, const float* rows, int64_t count, int64_t dim,
                               const double* query, double norm, double* scores) {
  for (int64_t i = 0; i < count; i++) {
    double mean, norms = norm * mean_and_norm(rows + i * dim, dim, &mean);
    simd->centred_dot(rows + i * dim, 1, dim, query, &mean, &scores[i]);
    scores[i] = norms != 0.0 ? scores[i] / norms : 0.0;
  }
}

void score_cosines(const simd_set* simd, const float* rows, const double* norms, int64_t count,
                   int64_t dim, const double* query, double norm, double* scores) {
  simd->dot(rows, count, dim, query, scores);
  for (int64_t i = 0; i < count; i++) {
    double product = norm * norms[i];
    scores[i] = product != 0.0 ? scores[i] / product : 0.0;
  }
}

void score_rows(const simd_set* simd, metric_kind metric, const float* rows, int64_t count,
                int64_t dim, const double* query, double norm, double* scores) {
  double norms[STRIP];
  switch (metric) {
    case INNER_PRODUCT:
      simd->dot(rows, count, dim, query, scores);
      break;
    case EUCLIDEAN:
      simd->squared_distance(rows, count, dim, query, scores);
      for (int64_t i = 0; i < count; i++) scores[i] = 0.0 - scores[i];
      break;
    case COSINE:
      for (int64_t i = 0; i < count; i++) norms[i] = sqrt(squared_norm(rows + i * dim, dim));
      score_cosines(simd, rows, norms, count, dim, query, norm, scores);
      break;
    case PEARSON:
      score_correlations(simd, rows, count, dim, query, norm, scores);
      break;
  }
}

int score(const simd_set* simd, const item_store* items, const float* queries, int64_t num_queries,
          const int64_t* positions, int64_t num_positions, float* scores) {
  int64_t dim = items->dim;
  double* query = malloc((size_t)padded_dim(dim) * sizeof(double));
  if (!query) return OUT_OF_MEMORY;
  for (int64_t q = 0; q < num_queries; q++) {
    double norm = prepare_query(items->metric, queries + q * dim, dim, query);
    for (int64_t m = q * num_positions; m < (q + 1) * num_positions; m++) {
      if (positions[m] < 0) continue;
      double exact;
      score_rows(simd, items->metric, vector_at(items, positions[m]), 1, dim, query, norm, &exact);
      scores[m] = (float)exact;
    }
  }
  free(query);
  return 0;
}
