// What `topk` asks of an instruction set, for each type of values.
#ifndef SHORTLIST_SIMD_TOPK_H
#define SHORTLIST_SIMD_TOPK_H

#include <stdint.h>

enum {
  RUN = 64,     // values that are compared before the one branch on the result
  SPAN = 1024,  // the most values of one `find`
};

// `sample`: maxima[i] for i below RUN becomes the largest of values[r * stride + i] over the runs
// r; NaN is left out, and the largest of nothing is -inf. `find`: writes the ascending places of
// all values >= limit among `count` of them and returns how many; neither NaN nor a limit of NaN
// lets a value pass. `places` has room for SPAN.
typedef struct {
  void (*sample_float32)(const float* values, int64_t num_runs, int64_t stride, float* maxima);
  void (*sample_float64)(const double* values, int64_t num_runs, int64_t stride, double* maxima);
  int64_t (*find_float32)(const float* values, int64_t count, float limit, int32_t* places);
  int64_t (*find_float64)(const double* values, int64_t count, double limit, int32_t* places);
} topk_functions;

extern const topk_functions topk_baseline;
extern const topk_functions topk_avx2;
extern const topk_functions topk_avx512;

#endif
