// Scores of one query with rows of a vector set.
#ifndef SHORTLIST_VECTORS_H
#define SHORTLIST_VECTORS_H

#include "kernels.h"

// `dim` rounded up to whole lanes.
static inline int64_t padded_dim(int64_t dim) { return (dim + LANES - 1) / LANES * LANES; }

// Writes padded_dim(dim) values, centred for pearson, zeros behind them; returns the norm that the
// metric divides by.
double prepare_query(metric_kind metric, const float* query, int64_t dim, double* values);

// The float64 scores of items first to first + count - 1.
void score_rows(const simd_set* simd, const vector_set* items, const double* query, double norm,
                int64_t first, int64_t count, double* scores);

#endif
