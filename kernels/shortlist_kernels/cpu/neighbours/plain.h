// Measures that need one sum per pair of rows: cosine and the dot product.
#ifndef SHORTLIST_PLAIN_H
#define SHORTLIST_PLAIN_H

#include "kernels.h"

// similarity = sum / (norm * norms[other] + shrinkage)
typedef struct {
  double norm, shrinkage;
  const double* norms;
} divisor;

static inline double divide_by(const divisor* by, int64_t other) {
  return by->norm * by->norms[other] + by->shrinkage;
}

// Four at a time, as no row stands twice in a column: the sums are read before any is written.
static inline void add_column(double* restrict sums, double own, const int32_t* restrict rows,
                              const float* restrict values, int64_t count) {
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    double first = sums[rows[i]] + own * (double)values[i];
    double second = sums[rows[i + 1]] + own * (double)values[i + 1];
    double third = sums[rows[i + 2]] + own * (double)values[i + 2];
    double fourth = sums[rows[i + 3]] + own * (double)values[i + 3];
    sums[rows[i]] = first;
    sums[rows[i + 1]] = second;
    sums[rows[i + 2]] = third;
    sums[rows[i + 3]] = fourth;
  }
  for (; i < count; i++) sums[rows[i]] += own * (double)values[i];
}

// symmetric.c: the neighbours of all rows, each pair computed once, into one block per task. Takes
// memory for k neighbours per row and thread, which `symmetric_fits` allows or not.
int symmetric_fits(const compared_rows* compared, int64_t k, int64_t num_threads);
int symmetric_rows(const csr_matrix* matrix, const compared_rows* compared, int64_t k,
                   const similarity_measure* measure, int64_t num_threads, int64_t* counts,
                   neighbour_blocks* found);

// blocks.c: whether the block has, or was given, room for `count` more.
int blocks_reserve(neighbour_block* block, int64_t count);

#endif
