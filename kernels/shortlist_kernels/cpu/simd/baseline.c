// Plain C: what the compiler's default target runs.
#include "simd.h"

static int is_supported(void) { return 1; }

static double reduce(const double* lanes) {
  double even = (lanes[0] + lanes[4]) + (lanes[2] + lanes[6]);
  double odd = (lanes[1] + lanes[5]) + (lanes[3] + lanes[7]);
  return even + odd;
}

static void dot(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                double* sums) {
  int64_t whole = dim - dim % LANES;
  for (int64_t i = 0; i < num_rows; i++) {
    const float* row = rows + i * dim;
    double lanes[LANES] = {0};
    for (int64_t d = 0; d < whole; d += LANES)
      for (int j = 0; j < LANES; j++) lanes[j] += query[d + j] * (double)row[d + j];
    for (int64_t d = whole; d < dim; d++) lanes[d - whole] += query[d] * (double)row[d];
    sums[i] = reduce(lanes);
  }
}

static void centred_dot(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                        const double* means, double* sums) {
  int64_t whole = dim - dim % LANES;
  for (int64_t i = 0; i < num_rows; i++) {
    const float* row = rows + i * dim;
    double mean = means[i];
    double lanes[LANES] = {0};
    for (int64_t d = 0; d < whole; d += LANES)
      for (int j = 0; j < LANES; j++) lanes[j] += query[d + j] * ((double)row[d + j] - mean);
    for (int64_t d = whole; d < dim; d++) lanes[d - whole] += query[d] * ((double)row[d] - mean);
    sums[i] = reduce(lanes);
  }
}

static void squared_distance(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                             double* sums) {
  int64_t whole = dim - dim % LANES;
  for (int64_t i = 0; i < num_rows; i++) {
    const float* row = rows + i * dim;
    double lanes[LANES] = {0};
    for (int64_t d = 0; d < whole; d += LANES) {
      for (int j = 0; j < LANES; j++) {
        double difference = query[d + j] - (double)row[d + j];
        lanes[j] += difference * difference;
      }
    }
    for (int64_t d = whole; d < dim; d++) {
      double difference = query[d] - (double)row[d];
      lanes[d - whole] += difference * difference;
    }
    sums[i] = reduce(lanes);
  }
}

const simd_set simd_baseline = {
    .name = "baseline",
    .is_supported = is_supported,
    .dot = dot,
    .centred_dot = centred_dot,
    .squared_distance = squared_distance,
};
