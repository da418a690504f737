// In place of simd/processor.c: what is emulated runs anywhere.
#include "simd/processor.h"

int processor_has_avx512vnni(void) { return 1; }
int processor_has_amx(void) { return 1; }
