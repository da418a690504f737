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

static void project(const float* row, int64_t dim, const double* queries, int64_t num_queries,
                    double* sums) {
  for (int64_t q = 0; q < num_queries; q++)
    dot(row, 1, dim, queries + q * padded_dim(dim), sums + q);
}

static inline int32_t dot_quad(const uint8_t* codes, const int8_t* query) {
  return codes[0] * query[0] + codes[1] * query[1] + codes[2] * query[2] + codes[3] * query[3];
}

static int64_t scan(const code_strip* strip, const query_block* queries, scan_hit* hits) {
  int64_t count = 0;
  for (int64_t first = 0; first < strip->num_groups * GROUP; first += GROUP) {
    const uint8_t* group = strip->codes + first * strip->num_quads * QUAD;
    for (int64_t q = 0; q < queries->num_queries; q++) {
      const int8_t* query = queries->codes + q * queries->stride;
      const float* offsets = queries->offsets + q * queries->offsets_stride;
      int32_t sums[GROUP] = {0};
      for (int64_t d = 0; d < strip->num_quads * QUAD; d += QUAD)
        for (int i = 0; i < GROUP; i++)
          sums[i] += dot_quad(group + d * GROUP + i * QUAD, query + d);
      for (int i = 0; i < GROUP; i++) {
        float limit = queries->limits[q];
        if (queries->offsets) limit -= queries->units[q] * offsets[first + i];
        if ((float)sums[i] >= limit * strip->inverses[first + i] - queries->margins[q])
          hits[count++] = (scan_hit){(uint16_t)(first + i), (uint16_t)q, sums[i]};
      }
    }
  }
  return count;
}

const simd_set simd_baseline = {
    .name = "baseline",
    .is_supported = is_supported,
    .dot = dot,
    .centred_dot = centred_dot,
    .squared_distance = squared_distance,
    .project = project,
    .scan = scan,
    .max_query_code = 127,
    .topk = &topk_baseline,
};
