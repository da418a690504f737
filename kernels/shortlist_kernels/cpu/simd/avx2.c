// AVX2 and FMA: lanes 0-3 in one register, 4-7 in another, four rows at once to hide the latency of
// the sums.
#include <immintrin.h>
#include <string.h>

#include "simd.h"

enum { ROWS_AT_ONCE = 4 };
typedef enum { DOT, CENTRED_DOT, SQUARED_DISTANCE } term_kind;

// __builtin_cpu_supports reads the CPUID bits and, with XGETBV, that the operating system saves the
// registers.
static int is_supported(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static inline __attribute__((always_inline)) __m256d add_term(term_kind kind, __m256d sum,
                                                              __m256d query, __m256d row,
                                                              __m256d mean) {
  // The product of two floats is exact in float64, so fusing it with the sum changes no bit. Of
  // centred or subtracted values it is not exact: those must not be fused.
  if (kind == DOT) return _mm256_fmadd_pd(query, row, sum);
  __m256d left = kind == CENTRED_DOT ? query : _mm256_sub_pd(query, row);
  __m256d right = kind == CENTRED_DOT ? _mm256_sub_pd(row, mean) : left;
  return _mm256_add_pd(sum, _mm256_mul_pd(left, right));
}

static inline __attribute__((always_inline)) void add_terms(term_kind kind, const float* row,
                                                            const double* query, double mean,
                                                            __m256d* low, __m256d* high) {
  __m256 values = _mm256_loadu_ps(row);
  __m256d row_low = _mm256_cvtps_pd(_mm256_castps256_ps128(values));
  __m256d row_high = _mm256_cvtps_pd(_mm256_extractf128_ps(values, 1));
  __m256d means = _mm256_set1_pd(mean);
  *low = add_term(kind, *low, _mm256_loadu_pd(query), row_low, means);
  *high = add_term(kind, *high, _mm256_loadu_pd(query + 4), row_high, means);
}

static inline double reduce(__m256d low, __m256d high) {
  __m256d four = _mm256_add_pd(low, high);
  __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// `count` and `kind` are constants where this is called, so that the loops unroll and the branches
// go.
static inline __attribute__((always_inline)) void sum_rows(term_kind kind, int count,
                                                           const float* rows, int64_t dim,
                                                           const double* query, const double* means,
                                                           double* sums) {
  __m256d low[ROWS_AT_ONCE], high[ROWS_AT_ONCE];
  for (int i = 0; i < count; i++) low[i] = high[i] = _mm256_setzero_pd();
  int64_t whole = dim - dim % LANES;
  for (int64_t d = 0; d < whole; d += LANES)
    for (int i = 0; i < count; i++)
      add_terms(kind, rows + i * dim + d, query + d, means ? means[i] : 0.0, &low[i], &high[i]);
  if (whole < dim) {
    for (int i = 0; i < count; i++) {
      float padded[LANES] = {0};
      memcpy(padded, rows + i * dim + whole, (size_t)(dim - whole) * sizeof(float));
      add_terms(kind, padded, query + whole, means ? means[i] : 0.0, &low[i], &high[i]);
    }
  }
  for (int i = 0; i < count; i++) sums[i] = reduce(low[i], high[i]);
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

const simd_set simd_avx2 = {
    .name = "avx2",
    .is_supported = is_supported,
    .dot = dot,
    .centred_dot = centred_dot,
    .squared_distance = squared_distance,
    .scan = 0,
    .max_query_code = 31,
};
