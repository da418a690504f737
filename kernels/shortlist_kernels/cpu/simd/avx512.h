// What the sets with 512-bit registers share. A function that starts with avx512_ needs AVX-512 F,
// BW, DQ and VL, avx512vnni_scan VNNI as well.
#ifndef SHORTLIST_AVX512_H
#define SHORTLIST_AVX512_H

#include "simd.h"

// As in simd_set.
void avx512_dot(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                double* sums);
void avx512_centred_dot(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                        const double* means, double* sums);
void avx512_squared_distance(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                             double* sums);
void avx512_project(const float* row, int64_t dim, const double* queries, int64_t num_queries,
                    double* sums);
int64_t avx512vnni_scan(const code_strip* strip, const query_block* queries, scan_hit* hits);

// Writes the hits of one group, given its sums, a row of GROUP items for each query of the block,
// and returns how many.
int64_t avx512_write_hits(const code_strip* strip, int64_t group, const query_block* queries,
                          const int32_t* sums, scan_hit* hits);

#endif
