// What the metrics make of rows and queries, and the exact scores.
#ifndef SHORTLIST_VECTORS_H
#define SHORTLIST_VECTORS_H

#include "kernels.h"

// Writes padded_dim(dim) values, centred for pearson, zeros behind them; returns the norm that the
// metric divides by.
double prepare_query(metric_kind metric, const float* query, int64_t dim, double* values);

// The row whose inner product with the query ranks items: the row itself, or for cosine and pearson
// the (centred) row of norm 1, rounded to float32 into `scratch`; zeros where it has no norm.
const float* comparable_row(metric_kind metric, const float* row, int64_t dim, float* scratch);

double squared_norm(const float* row, int64_t dim);

// The inner product of `count` values, whole lanes, in the order of simd.h.
double lane_product(const double* left, const double* right, int64_t count);

// The cosines of `count` consecutive rows with these norms.
void score_cosines(const simd_set* simd, const float* rows, const double* norms, int64_t count,
                   int64_t dim, const double* query, double norm, double* scores);

// The float64 scores of `count` consecutive rows, at most STRIP.
void score_rows(const simd_set* simd, metric_kind metric, const float* rows, int64_t count,
                int64_t dim, const double* query, double norm, double* scores);

#endif
