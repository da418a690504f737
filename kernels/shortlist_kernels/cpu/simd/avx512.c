// The eight lanes of a sum in one register, eight rows at once to hide the latency of the sums.
#include "avx512.h"

#include <immintrin.h>

enum { ROWS_AT_ONCE = 8, QUERIES_AT_ONCE = 4 };
static const __mmask16 NO_ITEM = 0xffff;
typedef enum { DOT, CENTRED_DOT, SQUARED_DISTANCE } term_kind;

static inline __attribute__((always_inline)) __m512d add_term(term_kind kind, __m512d sum,
                                                              __m512d query, __m512d row,
                                                              double mean) {
  // Only the products of `dot` are exact in float64, so only they may be fused.
  if (kind == DOT) return _mm512_fmadd_pd(query, row, sum);
  __m512d left = kind == CENTRED_DOT ? query : _mm512_sub_pd(query, row);
  __m512d right = kind == CENTRED_DOT ? _mm512_sub_pd(row, _mm512_set1_pd(mean)) : left;
  return _mm512_add_pd(sum, _mm512_mul_pd(left, right));
}

static inline double reduce(__m512d lanes) {
  __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(lanes), _mm512_extractf64x4_pd(lanes, 1));
  __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// `kind` and `count` are constants where this is called, so that the sums stay in registers.
static inline __attribute__((always_inline)) void sum_rows(term_kind kind, int count,
                                                           const float* rows, int64_t dim,
                                                           const double* query, const double* means,
                                                           double* sums) {
  __m512d lanes[ROWS_AT_ONCE];
  for (int i = 0; i < count; i++) lanes[i] = _mm512_setzero_pd();
  int64_t whole = dim - dim % LANES;
  for (int64_t d = 0; d < whole; d += LANES) {
    __m512d factors = _mm512_loadu_pd(query + d);
    for (int i = 0; i < count; i++) {
      __m512d row = _mm512_cvtps_pd(_mm256_loadu_ps(rows + i * dim + d));
      lanes[i] = add_term(kind, lanes[i], factors, row, means ? means[i] : 0.0);
    }
  }
  if (whole < dim) {
    __mmask8 rest = (__mmask8)((1 << (dim - whole)) - 1);
    __m512d factors = _mm512_loadu_pd(query + whole);
    for (int i = 0; i < count; i++) {
      __m512d row = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(rest, rows + i * dim + whole));
      lanes[i] = add_term(kind, lanes[i], factors, row, means ? means[i] : 0.0);
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

void avx512_dot(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                double* sums) {
  sum_all_rows(DOT, rows, num_rows, dim, query, 0, sums);
}

void avx512_centred_dot(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                        const double* means, double* sums) {
  sum_all_rows(CENTRED_DOT, rows, num_rows, dim, query, means, sums);
}

void avx512_squared_distance(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                             double* sums) {
  sum_all_rows(SQUARED_DISTANCE, rows, num_rows, dim, query, 0, sums);
}

// The sums of `count` queries, a constant where this is called, with a row that is widened once.
// Their products are not exact and must not be fused.
static inline __attribute__((always_inline)) void project_queries(int count, const float* row,
                                                                  int64_t dim,
                                                                  const double* queries,
                                                                  double* sums) {
  __m512d lanes[QUERIES_AT_ONCE];
  for (int i = 0; i < count; i++) lanes[i] = _mm512_setzero_pd();
  int64_t stride = padded_dim(dim);
  for (int64_t d = 0; d < dim; d += LANES) {
    __mmask8 present = (__mmask8)(dim - d < LANES ? (1 << (dim - d)) - 1 : 0xff);
    __m512d values = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(present, row + d));
    for (int i = 0; i < count; i++) {
      __m512d factors = _mm512_loadu_pd(queries + i * stride + d);
      lanes[i] = _mm512_add_pd(lanes[i], _mm512_mul_pd(factors, values));
    }
  }
  for (int i = 0; i < count; i++) sums[i] = reduce(lanes[i]);
}

void avx512_project(const float* row, int64_t dim, const double* queries, int64_t num_queries,
                    double* sums) {
  int64_t q = 0, stride = padded_dim(dim);
  for (; q + QUERIES_AT_ONCE <= num_queries; q += QUERIES_AT_ONCE)
    project_queries(QUERIES_AT_ONCE, row, dim, queries + q * stride, sums + q);
  for (; q < num_queries; q++) project_queries(1, row, dim, queries + q * stride, sums + q);
}

// Which of `candidates` stay below the query's limit: those without an item among them.
static inline __mmask16 below(__mmask16 candidates, const query_block* queries, int64_t query,
                              int64_t first, __m512 inverses, const int32_t* sums) {
  __m512 limit = _mm512_set1_ps(queries->limits[query]);
  if (queries->offsets) {
    const float* offsets = queries->offsets + query * queries->offsets_stride + first;
    __m512 units = _mm512_set1_ps(queries->units[query]);
    limit = _mm512_fnmadd_ps(units, _mm512_loadu_ps(offsets), limit);
  }
  __m512 least = _mm512_fmsub_ps(limit, inverses, _mm512_set1_ps(queries->margins[query]));
  __m512 reached = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums));
  return _mm512_mask_cmp_ps_mask(candidates, reached, least, _CMP_NGE_UQ);
}

static int64_t write_row(unsigned items, int64_t first, int64_t query, const int32_t* sums,
                         scan_hit* hits) {
  int64_t count = 0;
  for (; items; items &= items - 1) {
    int item = __builtin_ctz(items);
    hits[count++] = (scan_hit){(uint16_t)(first + item), (uint16_t)query, sums[item]};
  }
  return count;
}

int64_t avx512_write_hits(const code_strip* strip, int64_t group, const query_block* queries,
                          const int32_t* sums, scan_hit* hits) {
  int64_t first = group * GROUP, count = 0, end;
  __m512 inverses = _mm512_loadu_ps(strip->inverses + first);
  // Hits are rare: one branch for some queries, and each by itself only where that one is taken.
  for (int64_t q = 0; q < queries->num_queries; q = end) {
    end = q + QUERIES_AT_ONCE;
    if (end > queries->num_queries) end = queries->num_queries;
    __mmask16 none = NO_ITEM;
    for (int64_t i = q; i < end; i++)
      none = below(none, queries, i, first, inverses, sums + i * GROUP);
    if (none == NO_ITEM) continue;
    for (int64_t i = q; i < end; i++) {
      unsigned items =
          NO_ITEM ^ (unsigned)below(NO_ITEM, queries, i, first, inverses, sums + i * GROUP);
      count += write_row(items, first, i, sums + i * GROUP, hits + count);
    }
  }
  return count;
}
