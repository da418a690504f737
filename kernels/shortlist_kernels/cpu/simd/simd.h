// What each instruction set provides: one file per set, each compiled with its own flags.
//
// Every sum over dimensions follows the same tree in float64, so all sets return the same bits:
// term d goes to lane d mod 8 of eight lanes, which are reduced as ((0+4)+(2+6)) + ((1+5)+(3+7)).
#ifndef SHORTLIST_SIMD_H
#define SHORTLIST_SIMD_H

#include <stdint.h>

#include "scan.h"
#include "topk.h"

enum { LANES = 8 };

// `dim` rounded up to whole lanes.
static inline int64_t padded_dim(int64_t dim) { return (dim + LANES - 1) / LANES * LANES; }

// Each function works on `num_rows` consecutive rows of `dim` floats and writes one sum per row.
// `query` has `dim` values and zeros up to the next multiple of LANES.
typedef struct {
  const char* name;
  int (*is_supported)(void);
  // sum of query * row
  void (*dot)(const float* rows, int64_t num_rows, int64_t dim, const double* query, double* sums);
  // sum of query * (row - mean of the row)
  void (*centred_dot)(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                      const double* means, double* sums);
  // sum of (query - row) squared
  void (*squared_distance)(const float* rows, int64_t num_rows, int64_t dim, const double* query,
                           double* sums);
  // sum of query * row, of one row with `num_queries` queries, each padded_dim(dim) after the one
  // before; queries may hold any float64
  void (*project)(const float* row, int64_t dim, const double* queries, int64_t num_queries,
                  double* sums);
  scan_function* scan;
  int max_query_code;  // 127 where products and sums of `scan` cannot overflow, less elsewhere
  const topk_functions* topk;
} simd_set;

extern const simd_set simd_baseline;
extern const simd_set simd_avx2;
extern const simd_set simd_avx512vnni;
extern const simd_set simd_amx;
extern const simd_set simd_neon;

// The sets that were compiled in, best first; `*count` is their number.
const simd_set* const* simd_sets(int* count);

#endif
