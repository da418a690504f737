// AVX-512 with VNNI: one 32-bit lane is one item, and a quad of a query's codes goes to all lanes.
#include <immintrin.h>
#include <string.h>

#include "avx512.h"
#include "processor.h"

enum {
  FEW = 4,             // queries up to which the codes are read strictly in order
  CHAINS = 4,          // sums of one query that do not wait for one another
  PREFETCH = 2048,     // bytes ahead
  GROUPS_AT_ONCE = 2,  // with QUERIES_AT_ONCE: 16 sums, 2 codes and a quad stay in registers
  QUERIES_AT_ONCE = 8,
  ROW = GROUP * QUAD,
};

static inline __m512i load_quad(const int8_t* codes) {
  int32_t quad;
  memcpy(&quad, codes, sizeof(quad));
  return _mm512_set1_epi32(quad);
}

// The sums of one group. `count` is a constant where this is called.
static inline __attribute__((always_inline)) void multiply_few(int count, const uint8_t* group,
                                                               int64_t num_quads,
                                                               const query_block* queries,
                                                               int32_t* sums) {
  __m512i even[FEW], odd[FEW];
  for (int q = 0; q < count; q++) even[q] = odd[q] = _mm512_setzero_si512();
  for (int64_t r = 0; r < num_quads; r += 2) {
    const uint8_t* row = group + r * ROW;
    _mm_prefetch((const char*)row + PREFETCH, _MM_HINT_T0);
    _mm_prefetch((const char*)row + PREFETCH + ROW, _MM_HINT_T0);
    __m512i items = _mm512_loadu_si512(row);
    __m512i next_items = _mm512_loadu_si512(row + ROW);
    for (int q = 0; q < count; q++) {
      const int8_t* codes = queries->codes + q * queries->stride + r * QUAD;
      even[q] = _mm512_dpbusd_epi32(even[q], items, load_quad(codes));
      odd[q] = _mm512_dpbusd_epi32(odd[q], next_items, load_quad(codes + QUAD));
    }
  }
  for (int q = 0; q < count; q++)
    _mm512_storeu_si512(sums + q * GROUP, _mm512_add_epi32(even[q], odd[q]));
}

static inline __attribute__((always_inline)) int64_t scan_few(int count, const code_strip* strip,
                                                              const query_block* queries,
                                                              scan_hit* hits) {
  int32_t sums[FEW * GROUP];
  int64_t num_hits = 0;
  for (int64_t g = 0; g < strip->num_groups; g++) {
    const uint8_t* group = strip->codes + g * strip->num_quads * ROW;
    multiply_few(count, group, strip->num_quads, queries, sums);
    num_hits += avx512_write_hits(strip, g, queries, sums, hits + num_hits);
  }
  return num_hits;
}

// The sums of `num_groups` groups and `count` queries, both constants where this is called. The
// groups that come next are asked for meanwhile.
static inline __attribute__((always_inline)) void multiply(int num_groups, int count,
                                                           const uint8_t* groups, int64_t num_quads,
                                                           const int8_t* codes, int64_t stride,
                                                           int32_t* sums) {
  __m512i totals[GROUPS_AT_ONCE][QUERIES_AT_ONCE];
  for (int g = 0; g < num_groups; g++)
    for (int q = 0; q < count; q++) totals[g][q] = _mm512_setzero_si512();
  for (int64_t r = 0; r < num_quads; r++) {
    __m512i items[GROUPS_AT_ONCE];
    for (int g = 0; g < num_groups; g++) {
      const uint8_t* row = groups + (g * num_quads + r) * ROW;
      _mm_prefetch((const char*)row + num_groups * num_quads * ROW, _MM_HINT_T0);
      items[g] = _mm512_loadu_si512(row);
    }
    for (int q = 0; q < count; q++) {
      __m512i quad = load_quad(codes + q * stride + r * QUAD);
      for (int g = 0; g < num_groups; g++)
        totals[g][q] = _mm512_dpbusd_epi32(totals[g][q], items[g], quad);
    }
  }
  for (int g = 0; g < num_groups; g++)
    for (int q = 0; q < count; q++)
      _mm512_storeu_si512(sums + (g * QUERY_BLOCK + q) * GROUP, totals[g][q]);
}

// QUERY_BLOCK rows of queries are readable, so the last step may be wider than what is left.
static inline __attribute__((always_inline)) void multiply_all(int num_groups,
                                                               const uint8_t* groups,
                                                               int64_t num_quads,
                                                               const query_block* queries,
                                                               int32_t* sums) {
  for (int64_t q = 0; q < queries->num_queries; q += QUERIES_AT_ONCE) {
    const int8_t* codes = queries->codes + q * queries->stride;
    if (queries->num_queries - q > FEW)
      multiply(num_groups, QUERIES_AT_ONCE, groups, num_quads, codes, queries->stride,
               sums + q * GROUP);
    else
      multiply(num_groups, FEW, groups, num_quads, codes, queries->stride, sums + q * GROUP);
  }
}

static int64_t scan_many(const code_strip* strip, const query_block* queries, scan_hit* hits) {
  int32_t sums[GROUPS_AT_ONCE * QUERY_BLOCK * GROUP];
  int64_t num_hits = 0, num_groups;
  for (int64_t first = 0; first < strip->num_groups; first += num_groups) {
    const uint8_t* groups = strip->codes + first * strip->num_quads * ROW;
    num_groups = strip->num_groups - first;
    if (num_groups >= GROUPS_AT_ONCE) {
      num_groups = GROUPS_AT_ONCE;
      multiply_all(GROUPS_AT_ONCE, groups, strip->num_quads, queries, sums);
    } else {
      multiply_all(1, groups, strip->num_quads, queries, sums);
    }
    for (int64_t g = 0; g < num_groups; g++)
      num_hits += avx512_write_hits(strip, first + g, queries, sums + g * QUERY_BLOCK * GROUP,
                                    hits + num_hits);
  }
  return num_hits;
}

int64_t avx512vnni_scan(const code_strip* strip, const query_block* queries, scan_hit* hits) {
  if (queries->num_queries > FEW) return scan_many(strip, queries, hits);
  if (queries->num_queries > 2) return scan_few(FEW, strip, queries, hits);
  if (queries->num_queries == 2) return scan_few(2, strip, queries, hits);
  return scan_few(1, strip, queries, hits);
}

const simd_set simd_avx512vnni = {
    .name = "avx512vnni",
    .is_supported = processor_has_avx512vnni,
    .dot = avx512_dot,
    .centred_dot = avx512_centred_dot,
    .squared_distance = avx512_squared_distance,
    .project = avx512_project,
    .scan = avx512vnni_scan,
    .max_query_code = 127,
    .topk = &topk_avx512,
};
