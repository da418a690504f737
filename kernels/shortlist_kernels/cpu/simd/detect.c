#include "simd.h"

static const simd_set* const SETS[] = {
#ifdef SHORTLIST_AMX
    &simd_amx,
#endif
#ifdef SHORTLIST_AVX512VNNI
    &simd_avx512vnni,
#endif
#ifdef SHORTLIST_AVX2
    &simd_avx2,
#endif
#ifdef SHORTLIST_NEON
    &simd_neon,
#endif
    &simd_baseline,
};

const simd_set* const* simd_sets(int* count) {
  *count = (int)(sizeof(SETS) / sizeof(SETS[0]));
  return SETS;
}
