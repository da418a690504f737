// Plain C; the loops over a run are of a form that compilers turn into vectors.
#include <math.h>

#include "topk.h"

static void sample_float32(const float* values, int64_t num_runs, int64_t stride, float* maxima) {
  for (int i = 0; i < RUN; i++) maxima[i] = -INFINITY;
  for (int64_t r = 0; r < num_runs; r++, values += stride)
    for (int i = 0; i < RUN; i++) maxima[i] = values[i] > maxima[i] ? values[i] : maxima[i];
}

static void sample_float64(const double* values, int64_t num_runs, int64_t stride, double* maxima) {
  for (int i = 0; i < RUN; i++) maxima[i] = -INFINITY;
  for (int64_t r = 0; r < num_runs; r++, values += stride)
    for (int i = 0; i < RUN; i++) maxima[i] = values[i] > maxima[i] ? values[i] : maxima[i];
}

static int64_t find_float32(const float* values, int64_t count, float limit, int32_t* places) {
  int64_t found = 0;
  for (int64_t first = 0; first < count; first += RUN) {
    int64_t length = count - first < RUN ? count - first : RUN;
    int32_t any = length < RUN;
    for (int i = 0; i < RUN && length == RUN; i++) any |= values[first + i] >= limit;
    for (int64_t i = first; any && i < first + length; i++) {
      places[found] = (int32_t)i;
      found += values[i] >= limit;
    }
  }
  return found;
}

static int64_t find_float64(const double* values, int64_t count, double limit, int32_t* places) {
  int64_t found = 0;
  for (int64_t first = 0; first < count; first += RUN) {
    int64_t length = count - first < RUN ? count - first : RUN;
    int64_t any = length < RUN;
    for (int i = 0; i < RUN && length == RUN; i++) any |= values[first + i] >= limit;
    for (int64_t i = first; any && i < first + length; i++) {
      places[found] = (int32_t)i;
      found += values[i] >= limit;
    }
  }
  return found;
}

const topk_functions topk_baseline = {
    .sample_float32 = sample_float32,
    .sample_float64 = sample_float64,
    .find_float32 = find_float32,
    .find_float64 = find_float64,
};
