// Sums of sparse rows over dense columns, which remembers the columns it touched so that starting
// anew is cheap.
#ifndef SHORTLIST_ACCUMULATOR_H
#define SHORTLIST_ACCUMULATOR_H

#include <stdint.h>

typedef struct {
  double* sums;      // one per column, 0 where nothing was added
  uint8_t* is_seen;  // one per column
  int32_t* touched;  // the columns with something added, in order of appearance
  int64_t num_touched;
} accumulator;

// 0, or OUT_OF_MEMORY; to be released in both cases.
int accumulator_create(accumulator* sums, int64_t num_columns);
void accumulator_release(accumulator* sums);

// Adds factor * values, in float64, one after the other. Indices must be in range.
void accumulator_add(accumulator* sums, double factor, const int32_t* indices, const float* values,
                     int64_t count);

// Sets all sums to 0.
void accumulator_clear(accumulator* sums);

#endif
