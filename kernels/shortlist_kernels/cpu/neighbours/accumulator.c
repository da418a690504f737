#include "accumulator.h"

#include <stdlib.h>

#include "kernels.h"

int accumulator_create(accumulator* sums, int64_t num_columns) {
  size_t length = (size_t)num_columns + 1;  // never a request for 0 bytes
  sums->sums = calloc(length, sizeof(double));
  sums->is_seen = calloc(length, sizeof(uint8_t));
  sums->touched = malloc(length * sizeof(int32_t));
  sums->num_touched = 0;
  return sums->sums && sums->is_seen && sums->touched ? 0 : OUT_OF_MEMORY;
}

void accumulator_release(accumulator* sums) {
  free(sums->sums);
  free(sums->is_seen);
  free(sums->touched);
}

void accumulator_add(accumulator* sums, double factor, const int32_t* indices, const float* values,
                     int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    int32_t column = indices[i];
    if (!sums->is_seen[column]) {
      sums->is_seen[column] = 1;
      sums->touched[sums->num_touched++] = column;
    }
    sums->sums[column] += factor * (double)values[i];
  }
}

void accumulator_clear(accumulator* sums) {
  for (int64_t i = 0; i < sums->num_touched; i++) {
    sums->sums[sums->touched[i]] = 0.0;
    sums->is_seen[sums->touched[i]] = 0;
  }
  sums->num_touched = 0;
}
