// NEON on aarch64 with the dot products of int8: four items a register. Lanes of float64 sums lie
// two a register.
#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#include "simd.h"

enum {
  PAIRS = LANES / 2,
  ROWS_AT_ONCE = 2,
  PARTS = GROUP / 4,    // registers of a row of codes
  QUERIES_AT_ONCE = 4,  // with PARTS: 16 sums, 4 rows of codes and 4 of queries stay in registers
  QUADS_AT_ONCE = 4,    // what one register holds of a query
  ROW = GROUP * QUAD,
  PREFETCH = 1024,
};
typedef enum { DOT, CENTRED_DOT, SQUARED_DISTANCE } term_kind;

#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif

static int is_supported(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

static inline __attribute__((always_inline)) float64x2_t add_term(term_kind kind, float64x2_t sum,
                                                                  float64x2_t query,
                                                                  float64x2_t row, double mean) {
  // Only the products of `dot` are exact in float64, so only they may be fused.
  if (kind == DOT) return vfmaq_f64(sum, query, row);
  float64x2_t left = kind == CENTRED_DOT ? query : vsubq_f64(query, row);
  float64x2_t right = kind == CENTRED_DOT ? vsubq_f64(row, vdupq_n_f64(mean)) : left;
  return vaddq_f64(sum, vmulq_f64(left, right));
}

static inline __attribute__((always_inline)) void add_terms(term_kind kind, float64x2_t* lanes,
                                                            const double* query, const float* row,
                                                            double mean) {
  for (int i = 0; i < PAIRS; i++) {
    float64x2_t values = vcvt_f64_f32(vld1_f32(row + 2 * i));
    lanes[i] = add_term(kind, lanes[i], vld1q_f64(query + 2 * i), values, mean);
  }
}

static inline double reduce(const float64x2_t* lanes) {
  float64x2_t two = vaddq_f64(vaddq_f64(lanes[0], lanes[2]), vaddq_f64(lanes[1], lanes[3]));
  return vgetq_lane_f64(two, 0) + vgetq_lane_f64(two, 1);
}

// `kind` and `count` are constants where this is called, so that the sums stay in registers.
static inline __attribute__((always_inline)) void sum_rows(term_kind kind, int count,
                                                           const float* rows, int64_t dim,
                                                           const double* query, const double* means,
                                                           double* sums) {
  float64x2_t lanes[ROWS_AT_ONCE][PAIRS];
  for (int i = 0; i < count; i++)
    for (int j = 0; j < PAIRS; j++) lanes[i][j] = vdupq_n_f64(0.0);
  int64_t whole = dim - dim % LANES;
  for (int64_t d = 0; d < whole; d += LANES)
    for (int i = 0; i < count; i++)
      add_terms(kind, lanes[i], query + d, rows + i * dim + d, means ? means[i] : 0.0);
  if (whole < dim) {
    for (int i = 0; i < count; i++) {
      float padded[LANES] = {0};
      memcpy(padded, rows + i * dim + whole, (size_t)(dim - whole) * sizeof(float));
      add_terms(kind, lanes[i], query + whole, padded, means ? means[i] : 0.0);
    }
  }
  for (int i = 0; i < count; i++) sums[i] = reduce(lanes[i]);
}

static inline __attribute__((always_inline)) void sum_all_rows(term_kind kind, const float* rows,
                                                               int64_t num_rows, int64_t dim,
                                                               const double* query,
                                                               const double* means, double* sums) {
  int64_t i = 0;
  for (; i + ROWS_AT_ONCE <= num_rows; i += ROWS_AT_ONCE)
    sum_rows(kind, ROWS_AT_ONCE, rows + i * dim, dim, query, means ? means + i : 0, sums + i);
  for (; i < num_rows; i++)
    sum_rows(kind, 1, rows + i * dim, dim, query, means ? means + i : 0, sums + i);
}

static void dot(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                double* sums) {
  sum_all_rows(DOT, rows, num_rows, dim, query, 0, sums);
}

static void centred_dot(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                        const double* means, double* sums) {
  sum_all_rows(CENTRED_DOT, rows, num_rows, dim, query, means, sums);
}

static void squared_distance(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                             double* sums) {
  sum_all_rows(SQUARED_DISTANCE, rows, num_rows, dim, query, 0, sums);
}

// The sums of `count` queries, a constant where this is called, with a row that is widened once.
// Their products are not exact and must not be fused.
static inline __attribute__((always_inline)) void project_queries(int count, const float* row,
                                                                  int64_t dim,
                                                                  const double* queries,
                                                                  double* sums) {
  float64x2_t lanes[ROWS_AT_ONCE][PAIRS];
  for (int i = 0; i < count; i++)
    for (int j = 0; j < PAIRS; j++) lanes[i][j] = vdupq_n_f64(0.0);
  int64_t stride = padded_dim(dim);
  for (int64_t d = 0; d < dim; d += LANES) {
    float padded[LANES] = {0};
    const float* part = row + d;
    if (dim - d < LANES) part = memcpy(padded, part, (size_t)(dim - d) * sizeof(float));
    for (int j = 0; j < PAIRS; j++) {
      float64x2_t values = vcvt_f64_f32(vld1_f32(part + 2 * j));
      for (int i = 0; i < count; i++) {
        float64x2_t factors = vld1q_f64(queries + i * stride + d + 2 * j);
        lanes[i][j] = vaddq_f64(lanes[i][j], vmulq_f64(factors, values));
      }
    }
  }
  for (int i = 0; i < count; i++) sums[i] = reduce(lanes[i]);
}

static void project(const float* row, int64_t dim, const double* queries, int64_t num_queries,
                    double* sums) {
  int64_t q = 0, stride = padded_dim(dim);
  for (; q + ROWS_AT_ONCE <= num_queries; q += ROWS_AT_ONCE)
    project_queries(ROWS_AT_ONCE, row, dim, queries + q * stride, sums + q);
  for (; q < num_queries; q++) project_queries(1, row, dim, queries + q * stride, sums + q);
}

static inline __attribute__((always_inline)) int32x4_t add_products(int quad, int32x4_t sum,
                                                                    int8x16_t items,
                                                                    int8x16_t query) {
  if (quad == 0) return vdotq_laneq_s32(sum, items, query, 0);
  if (quad == 1) return vdotq_laneq_s32(sum, items, query, 1);
  if (quad == 2) return vdotq_laneq_s32(sum, items, query, 2);
  return vdotq_laneq_s32(sum, items, query, 3);
}

// Adds the products of one row of codes and the `quad`-th quad that the registers of the queries
// hold. `quad` and `count` are constants where this is called.
static inline __attribute__((always_inline)) void add_row(int quad, int count, const int8_t* rows,
                                                          const int8x16_t* queries,
                                                          int32x4_t (*totals)[PARTS]) {
  const int8_t* row = rows + quad * ROW;
  __builtin_prefetch(row + PREFETCH);
  for (int p = 0; p < PARTS; p++) {
    int8x16_t items = vld1q_s8(row + p * 4 * QUAD);
    for (int q = 0; q < count; q++)
      totals[q][p] = add_products(quad, totals[q][p], items, queries[q]);
  }
}

// The sums of one group for `count` queries, a constant where this is called. Codes stay below 128,
// so they are valid as the signed operands of SDOT. The last step may read behind the group, where
// the codes of a query are zero.
static inline __attribute__((always_inline)) void multiply(int count, const int8_t* group,
                                                           int64_t num_quads, const int8_t* codes,
                                                           int64_t stride,
                                                           int32x4_t (*sums)[PARTS]) {
  int32x4_t totals[QUERIES_AT_ONCE][PARTS];
  for (int q = 0; q < count; q++)
    for (int p = 0; p < PARTS; p++) totals[q][p] = vdupq_n_s32(0);
  for (int64_t r = 0; r < num_quads; r += QUADS_AT_ONCE) {
    int8x16_t queries[QUERIES_AT_ONCE];
    for (int q = 0; q < count; q++) queries[q] = vld1q_s8(codes + q * stride + r * QUAD);
    add_row(0, count, group + r * ROW, queries, totals);
    add_row(1, count, group + r * ROW, queries, totals);
    add_row(2, count, group + r * ROW, queries, totals);
    add_row(3, count, group + r * ROW, queries, totals);
  }
  for (int q = 0; q < count; q++)
    for (int p = 0; p < PARTS; p++) sums[q][p] = totals[q][p];
}

// Not inlined: it is rarely called, and takes registers away from what is.
static __attribute__((noinline)) int64_t write_row(const uint32x4_t* reached, int64_t first,
                                                   int64_t query, const int32x4_t* sums,
                                                   scan_hit* hits) {
  uint32_t is_hit[GROUP];
  int32_t values[GROUP];
  memcpy(is_hit, reached, sizeof(is_hit));
  memcpy(values, sums, sizeof(values));
  int64_t count = 0;
  for (int i = 0; i < GROUP; i++)
    if (is_hit[i]) hits[count++] = (scan_hit){(uint16_t)(first + i), (uint16_t)query, values[i]};
  return count;
}

static int64_t write_hits(const code_strip* strip, int64_t first, const query_block* queries,
                          int64_t query, const int32x4_t* sums, scan_hit* hits) {
  uint32x4_t reached[PARTS];
  for (int p = 0; p < PARTS; p++) {
    float32x4_t limit = vdupq_n_f32(queries->limits[query]);
    if (queries->offsets) {
      const float* offsets = queries->offsets + query * queries->offsets_stride + first + 4 * p;
      limit = vfmsq_n_f32(limit, vld1q_f32(offsets), queries->units[query]);
    }
    float32x4_t least = vmulq_f32(limit, vld1q_f32(strip->inverses + first + 4 * p));
    least = vsubq_f32(least, vdupq_n_f32(queries->margins[query]));
    reached[p] = vcgeq_f32(vcvtq_f32_s32(sums[p]), least);
  }
  uint32x4_t any = vorrq_u32(vorrq_u32(reached[0], reached[1]), vorrq_u32(reached[2], reached[3]));
  return vmaxvq_u32(any) ? write_row(reached, first, query, sums, hits) : 0;
}

// QUERY_BLOCK rows of queries are readable, so the last step may be wider than what is left.
static int64_t scan(const code_strip* strip, const query_block* queries, scan_hit* hits) {
  int32x4_t sums[QUERIES_AT_ONCE][PARTS];
  int64_t num_hits = 0;
  for (int64_t g = 0; g < strip->num_groups; g++) {
    const int8_t* group = (const int8_t*)strip->codes + g * strip->num_quads * ROW;
    for (int64_t q = 0; q < queries->num_queries; q += QUERIES_AT_ONCE) {
      int64_t left = queries->num_queries - q, stride = queries->stride;
      const int8_t* codes = queries->codes + q * stride;
      if (left == 1)
        multiply(1, group, strip->num_quads, codes, stride, sums);
      else
        multiply(QUERIES_AT_ONCE, group, strip->num_quads, codes, stride, sums);
      for (int64_t i = 0; i < left && i < QUERIES_AT_ONCE; i++)
        num_hits += write_hits(strip, g * GROUP, queries, q + i, sums[i], hits + num_hits);
    }
  }
  return num_hits;
}

const simd_set simd_neon = {
    .name = "neon",
    .is_supported = is_supported,
    .dot = dot,
    .centred_dot = centred_dot,
    .squared_distance = squared_distance,
    .project = project,
    .scan = scan,
    .max_query_code = 127,
    .topk = &topk_baseline,
};
