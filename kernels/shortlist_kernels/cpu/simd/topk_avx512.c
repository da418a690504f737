// AVX-512F: the results of comparisons are masks, so that a run needs no second look.
#include <immintrin.h>
#include <math.h>

#include "topk.h"

// A NaN on the left yields the right operand.
static void sample_float32(const float* values, int64_t num_runs, int64_t stride, float* maxima) {
  __m512 largest[RUN / 16];
  for (int i = 0; i < RUN / 16; i++) largest[i] = _mm512_set1_ps(-INFINITY);
  for (int64_t r = 0; r < num_runs; r++, values += stride)
    for (int i = 0; i < RUN / 16; i++)
      largest[i] = _mm512_max_ps(_mm512_loadu_ps(values + 16 * i), largest[i]);
  for (int i = 0; i < RUN / 16; i++) _mm512_storeu_ps(maxima + 16 * i, largest[i]);
}

static void sample_float64(const double* values, int64_t num_runs, int64_t stride, double* maxima) {
  __m512d largest[RUN / 8];
  for (int i = 0; i < RUN / 8; i++) largest[i] = _mm512_set1_pd(-INFINITY);
  for (int64_t r = 0; r < num_runs; r++, values += stride)
    for (int i = 0; i < RUN / 8; i++)
      largest[i] = _mm512_max_pd(_mm512_loadu_pd(values + 8 * i), largest[i]);
  for (int i = 0; i < RUN / 8; i++) _mm512_storeu_pd(maxima + 8 * i, largest[i]);
}

// One bit per value of a run that reaches the limit.
static inline uint64_t reached_float32(const float* run, __m512 limit) {
  uint64_t bits = 0;
  for (int i = 0; i < RUN; i += 16)
    bits |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(run + i), limit, _CMP_GE_OQ) << i;
  return bits;
}

static inline uint64_t reached_float64(const double* run, __m512d limit) {
  uint64_t bits = 0;
  for (int i = 0; i < RUN; i += 8)
    bits |= (uint64_t)_mm512_cmp_pd_mask(_mm512_loadu_pd(run + i), limit, _CMP_GE_OQ) << i;
  return bits;
}

static inline int64_t write_places(uint64_t bits, int64_t first, int32_t* places) {
  int64_t found = 0;
  for (; bits != 0; bits &= bits - 1) places[found++] = (int32_t)(first + __builtin_ctzll(bits));
  return found;
}

// The last run overlaps the one before; the bits that were seen there are dropped.
static int64_t find_float32(const float* values, int64_t count, float limit, int32_t* places) {
  int64_t found = 0, first = 0;
  __m512 limits = _mm512_set1_ps(limit);
  for (; first + RUN <= count; first += RUN)
    found += write_places(reached_float32(values + first, limits), first, places + found);
  if (first < count && count >= RUN) {
    uint64_t bits = reached_float32(values + count - RUN, limits);
    uint64_t fresh = ~UINT64_C(0) << (first + RUN - count);
    return found + write_places(bits & fresh, count - RUN, places + found);
  }
  for (; first < count; first++)
    if (values[first] >= limit) places[found++] = (int32_t)first;
  return found;
}

static int64_t find_float64(const double* values, int64_t count, double limit, int32_t* places) {
  int64_t found = 0, first = 0;
  __m512d limits = _mm512_set1_pd(limit);
  for (; first + RUN <= count; first += RUN)
    found += write_places(reached_float64(values + first, limits), first, places + found);
  if (first < count && count >= RUN) {
    uint64_t bits = reached_float64(values + count - RUN, limits);
    uint64_t fresh = ~UINT64_C(0) << (first + RUN - count);
    return found + write_places(bits & fresh, count - RUN, places + found);
  }
  for (; first < count; first++)
    if (values[first] >= limit) places[found++] = (int32_t)first;
  return found;
}

const topk_functions topk_avx512 = {
    .sample_float32 = sample_float32,
    .sample_float64 = sample_float64,
    .find_float32 = find_float32,
    .find_float64 = find_float64,
};
