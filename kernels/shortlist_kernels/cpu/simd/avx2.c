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

// Codes are at most 127 and query codes at most MAX_QUERY_CODE, so CHAIN sums of two products fit
// 16 bits: they are widened once per chain.
enum { CHAIN = 2, MAX_QUERY_CODE = 63, QUERIES_AT_ONCE = 4, PREFETCH_BYTES = 8192 };
_Static_assert(CHAIN * 2 * 127 * MAX_QUERY_CODE <= INT16_MAX, "a chain must fit 16 bits");

typedef struct {
  __m256i low, high;  // items 0-7 and 8-15 of a group
} group_sums;

static inline __m256i broadcast_quad(const int8_t* codes) {
  int32_t quad;
  memcpy(&quad, codes, sizeof(quad));
  return _mm256_set1_epi32(quad);
}

static inline __m256i add_chain(__m256i sums, const __m256i* items, const __m256i* query) {
  __m256i chain = _mm256_maddubs_epi16(items[0], query[0]);
  for (int c = 1; c < CHAIN; c++)
    chain = _mm256_add_epi16(chain, _mm256_maddubs_epi16(items[c], query[c]));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(chain, _mm256_set1_epi16(1)));
}

// The sums of a group with `count` queries, a constant where this is called.
static inline __attribute__((always_inline)) void sum_group(const uint8_t* codes, int64_t num_quads,
                                                            int count, const int8_t* queries,
                                                            int64_t stride, group_sums* sums) {
  for (int i = 0; i < count; i++) sums[i].low = sums[i].high = _mm256_setzero_si256();
  for (int64_t r = 0; r < num_quads; r += CHAIN) {
    __m256i low[CHAIN], high[CHAIN], query[CHAIN];
    for (int c = 0; c < CHAIN; c++) {
      const uint8_t* row = codes + (r + c) * GROUP * QUAD;
      low[c] = _mm256_loadu_si256((const __m256i*)row);
      high[c] = _mm256_loadu_si256((const __m256i*)(row + 32));
    }
    for (int i = 0; i < count; i++) {
      for (int c = 0; c < CHAIN; c++)
        query[c] = broadcast_quad(queries + i * stride + (r + c) * QUAD);
      sums[i].low = add_chain(sums[i].low, low, query);
      sums[i].high = add_chain(sums[i].high, high, query);
    }
  }
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

static __attribute__((noinline)) int64_t write_hits(const group_sums* sums, int count,
                                                    const query_block* queries, int64_t first,
                                                    const float* inverses, const float* offsets,
                                                    int64_t first_item, scan_hit* hits) {
  int64_t num_hits = 0;
  for (int i = 0; i < count; i++) {
    int64_t q = first + i;
    __m256 low = compare(sums[i].low, queries, q, inverses, offsets);
    __m256 high = compare(sums[i].high, queries, q, inverses + 8, offsets ? offsets + 8 : 0);
    unsigned bits = (unsigned)_mm256_movemask_ps(low) | (unsigned)_mm256_movemask_ps(high) << 8;
    const int32_t* values = (const int32_t*)&sums[i];
    for (; bits; bits &= bits - 1) {
      int item = __builtin_ctz(bits);
      hits[num_hits++] = (scan_hit){(uint16_t)(first_item + item), (uint16_t)q, values[item]};
    }
  }
  return num_hits;
}

static inline __attribute__((always_inline)) int64_t scan_group(const code_strip* strip,
                                                                int64_t first_item, int count,
                                                                const query_block* queries,
                                                                int64_t first, scan_hit* hits) {
  group_sums sums[QUERIES_AT_ONCE];
  const float* inverses = strip->inverses + first_item;
  const float* offsets = queries->offsets ? queries->offsets + first_item : 0;
  sum_group(strip->codes + first_item * strip->num_quads * QUAD, strip->num_quads, count,
            queries->codes + first * queries->stride, queries->stride, sums);
  __m256 any = _mm256_setzero_ps();
  for (int i = 0; i < count; i++) {
    __m256 low = compare(sums[i].low, queries, first + i, inverses, offsets);
    __m256 high =
        compare(sums[i].high, queries, first + i, inverses + 8, offsets ? offsets + 8 : 0);
    any = _mm256_or_ps(any, _mm256_or_ps(low, high));
  }
  if (_mm256_testz_ps(any, any)) return 0;
  group_sums kept[QUERIES_AT_ONCE];
  for (int i = 0; i < count; i++) kept[i] = sums[i];
  return write_hits(kept, count, queries, first, inverses, offsets, first_item, hits);
}

static int64_t scan(const code_strip* strip, const query_block* queries, scan_hit* hits) {
  int64_t num_hits = 0, num_queries = queries->num_queries;
  int64_t group_bytes = strip->num_quads * GROUP * QUAD;
  for (int64_t item = 0; item < strip->num_groups * GROUP; item += GROUP) {
    // The strip that follows in memory is the next one to be scanned, if not by this thread.
    const char* ahead = (const char*)strip->codes + item / GROUP * group_bytes + PREFETCH_BYTES;
    for (int64_t line = 0; line < group_bytes; line += 64) _mm_prefetch(ahead + line, _MM_HINT_T0);
    int64_t q = 0;
    for (; q + QUERIES_AT_ONCE <= num_queries; q += QUERIES_AT_ONCE)
      num_hits += scan_group(strip, item, QUERIES_AT_ONCE, queries, q, hits + num_hits);
    for (; q < num_queries; q++)
      num_hits += scan_group(strip, item, 1, queries, q, hits + num_hits);
  }
  return num_hits;
}

const simd_set simd_avx2 = {
    .name = "avx2",
    .is_supported = is_supported,
    .dot = dot,
    .centred_dot = centred_dot,
    .squared_distance = squared_distance,
    .scan = scan,
    .max_query_code = MAX_QUERY_CODE,
    .topk = &topk_avx2,
};
