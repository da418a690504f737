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

// The sums of `count` queries, a constant where this is called, with a row that is widened once.
// Their products are not exact and must not be fused.
static inline __attribute__((always_inline)) void project_queries(int count, const float* row,
                                                                  int64_t dim,
                                                                  const double* queries,
                                                                  double* sums) {
  __m256d low[ROWS_AT_ONCE], high[ROWS_AT_ONCE];
  for (int i = 0; i < count; i++) low[i] = high[i] = _mm256_setzero_pd();
  int64_t stride = padded_dim(dim);
  for (int64_t d = 0; d < dim; d += LANES) {
    float padded[LANES] = {0};
    const float* part = row + d;
    if (dim - d < LANES) part = memcpy(padded, part, (size_t)(dim - d) * sizeof(float));
    __m256d row_low = _mm256_cvtps_pd(_mm_loadu_ps(part));
    __m256d row_high = _mm256_cvtps_pd(_mm_loadu_ps(part + 4));
    for (int i = 0; i < count; i++) {
      const double* query = queries + i * stride + d;
      low[i] = _mm256_add_pd(low[i], _mm256_mul_pd(_mm256_loadu_pd(query), row_low));
      high[i] = _mm256_add_pd(high[i], _mm256_mul_pd(_mm256_loadu_pd(query + 4), row_high));
    }
  }
  for (int i = 0; i < count; i++) sums[i] = reduce(low[i], high[i]);
}

static void project(const float* row, int64_t dim, const double* queries, int64_t num_queries,
                    double* sums) {
  int64_t q = 0, stride = padded_dim(dim);
  for (; q + ROWS_AT_ONCE <= num_queries; q += ROWS_AT_ONCE)
    project_queries(ROWS_AT_ONCE, row, dim, queries + q * stride, sums + q);
  queries += q * stride;
  switch (num_queries - q) {
    case 3:
      project_queries(3, row, dim, queries, sums + q);
      break;
    case 2:
      project_queries(2, row, dim, queries, sums + q);
      break;
    case 1:
      project_queries(1, row, dim, queries, sums + q);
      break;
  }
}

// Codes are at most 127 and query codes at most MAX_QUERY_CODE, so CHAIN sums of two products fit
// 16 bits: they are widened once per chain.
enum { CHAIN = 2, MAX_QUERY_CODE = 63, QUERIES_AT_ONCE = 8, PREFETCH_BYTES = 2048 };
_Static_assert(CHAIN * 2 * 127 * MAX_QUERY_CODE <= INT16_MAX, "a chain must fit 16 bits");

static inline __m256i broadcast_quad(const int8_t* codes) {
  int32_t quad;
  memcpy(&quad, codes, sizeof(quad));
  return _mm256_set1_epi32(quad);
}

static inline __m256i add_chain(__m256i sums, const __m256i* items, const int8_t* query) {
  __m256i chain = _mm256_maddubs_epi16(items[0], broadcast_quad(query));
  for (int c = 1; c < CHAIN; c++)
    chain =
        _mm256_add_epi16(chain, _mm256_maddubs_epi16(items[c], broadcast_quad(query + c * QUAD)));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(chain, _mm256_set1_epi16(1)));
}

// The sums of eight items, half of a group, with `count` queries, a constant where this is called:
// the sums of eight queries fit the registers.
static inline __attribute__((always_inline)) void sum_half(const uint8_t* codes, int64_t num_quads,
                                                           int count, const int8_t* queries,
                                                           int64_t stride, __m256i* results) {
  __m256i sums[QUERIES_AT_ONCE];
  for (int i = 0; i < count; i++) sums[i] = _mm256_setzero_si256();
  for (int64_t r = 0; r < num_quads; r += CHAIN) {
    __m256i items[CHAIN];
    for (int c = 0; c < CHAIN; c++) {
      const uint8_t* row = codes + (r + c) * GROUP * QUAD;
      items[c] = _mm256_loadu_si256((const __m256i*)row);
      if (count == 1) _mm_prefetch((const char*)row + PREFETCH_BYTES, _MM_HINT_T0);
    }
#pragma GCC unroll 8
    for (int i = 0; i < count; i++)
      sums[i] = add_chain(sums[i], items, queries + i * stride + r * QUAD);
  }
  for (int i = 0; i < count; i++) results[i] = sums[i];
}

static inline __m256 compare(__m256i sums, const query_block* queries, int64_t q,
                             const float* inverses, const float* offsets) {
  __m256 least = _mm256_set1_ps(queries->limits[q]);
  if (offsets)
    least = _mm256_fnmadd_ps(_mm256_set1_ps(queries->units[q]),
                             _mm256_loadu_ps(offsets + q * queries->offsets_stride), least);
  least = _mm256_fmsub_ps(least, _mm256_loadu_ps(inverses), _mm256_set1_ps(queries->margins[q]));
  return _mm256_cmp_ps(_mm256_cvtepi32_ps(sums), least, _CMP_GE_OQ);
}

typedef struct {
  const float* inverses;
  const float* offsets;  // NULL for zeros
  int64_t first_item;
} group_items;

static __attribute__((noinline)) int64_t write_hits(const __m256i* low, const __m256i* high,
                                                    int count, const query_block* queries,
                                                    int64_t first, group_items group,
                                                    scan_hit* hits) {
  int64_t num_hits = 0;
  for (int i = 0; i < count; i++) {
    int32_t sums[GROUP];
    _mm256_storeu_si256((__m256i*)sums, low[i]);
    _mm256_storeu_si256((__m256i*)(sums + 8), high[i]);
    const float* offsets = group.offsets;
    __m256 passed[2] = {
        compare(low[i], queries, first + i, group.inverses, offsets),
        compare(high[i], queries, first + i, group.inverses + 8, offsets ? offsets + 8 : 0)};
    unsigned bits = (unsigned)_mm256_movemask_ps(passed[0]);
    bits |= (unsigned)_mm256_movemask_ps(passed[1]) << 8;
    for (; bits; bits &= bits - 1) {
      int item = __builtin_ctz(bits);
      hits[num_hits++] =
          (scan_hit){(uint16_t)(group.first_item + item), (uint16_t)(first + i), sums[item]};
    }
  }
  return num_hits;
}

static inline __attribute__((always_inline)) int64_t scan_group(const uint8_t* codes,
                                                                int64_t num_quads, int count,
                                                                const query_block* queries,
                                                                int64_t first, group_items group,
                                                                scan_hit* hits) {
  __m256i low[QUERIES_AT_ONCE], high[QUERIES_AT_ONCE];
  const int8_t* query_codes = queries->codes + first * queries->stride;
  sum_half(codes, num_quads, count, query_codes, queries->stride, low);
  sum_half(codes + 8 * QUAD, num_quads, count, query_codes, queries->stride, high);
  __m256 any = _mm256_setzero_ps();
  for (int i = 0; i < count; i++) {
    const float* offsets = group.offsets;
    any = _mm256_or_ps(any, compare(low[i], queries, first + i, group.inverses, offsets));
    any = _mm256_or_ps(
        any, compare(high[i], queries, first + i, group.inverses + 8, offsets ? offsets + 8 : 0));
  }
  if (_mm256_testz_ps(any, any)) return 0;
  return write_hits(low, high, count, queries, first, group, hits);
}

// For many queries, which leave the memory time, once for all. The strip that follows is the next
// one to be scanned, if not by this thread.
static void prefetch_ahead(const uint8_t* codes, int64_t num_quads) {
  for (int64_t r = 0; r < num_quads; r++)
    _mm_prefetch((const char*)(codes + r * GROUP * QUAD + PREFETCH_BYTES), _MM_HINT_T0);
}

static int64_t scan(const code_strip* strip, const query_block* queries, scan_hit* hits) {
  int64_t n = 0, num_quads = strip->num_quads;
  for (int64_t item = 0; item < strip->num_groups * GROUP; item += GROUP) {
    const uint8_t* codes = strip->codes + item * num_quads * QUAD;
    const float* offsets = queries->offsets ? queries->offsets + item : 0;
    group_items group = {strip->inverses + item, offsets, item};
    if (queries->num_queries > 1) prefetch_ahead(codes, num_quads);
    int64_t q = 0;
    for (; q + QUERIES_AT_ONCE <= queries->num_queries; q += QUERIES_AT_ONCE)
      n += scan_group(codes, num_quads, QUERIES_AT_ONCE, queries, q, group, hits + n);
    for (; q + 4 <= queries->num_queries; q += 4)
      n += scan_group(codes, num_quads, 4, queries, q, group, hits + n);
    for (; q < queries->num_queries; q++)
      n += scan_group(codes, num_quads, 1, queries, q, group, hits + n);
  }
  return n;
}

const simd_set simd_avx2 = {
    .name = "avx2",
    .is_supported = is_supported,
    .dot = dot,
    .centred_dot = centred_dot,
    .squared_distance = squared_distance,
    .project = project,
    .scan = scan,
    .max_query_code = MAX_QUERY_CODE,
    .topk = &topk_avx2,
};
