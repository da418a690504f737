// The queries of one pass over the codes: prepared for exact scores, and coded.
#ifndef SHORTLIST_QUERIES_H
#define SHORTLIST_QUERIES_H

#include "kernels.h"

// One entry or row per query. The comparable query z (the query, of norm 1 for cosine and pearson,
// doubled for euclidean) is scale * code + error.
typedef struct {
  int64_t count;
  int64_t stride;  // bytes of a row of codes
  double slack;    // above the relative rounding error of float64 scores
  double* values;  // rows of padded_dim(dim), as prepare_query writes them
  double* norms;   // what prepare_query returns
  double* scales;
  double* lengths;  // |z|, rounded up
  double* shifts;   // score = shift + <z, comparable row> + offset of the item
  int8_t* codes;
  int32_t* zeros;       // what CODE_ZERO adds to the sum of a scan
  float* code_lengths;  // |code|, rounded up
  double* errors;       // |error| and the rounding error of the score per |z|, rounded up
} coded_queries;

// Bytes that one query takes, and the rows of codes behind the last.
int64_t coded_query_bytes(int64_t dim);
int64_t code_padding_bytes(int64_t dim);

// Room for `capacity` queries, to be released whatever this returns.
int create_queries(coded_queries* queries, int64_t capacity, int64_t dim);
void release_queries(coded_queries* queries);

void code_queries(coded_queries* queries, metric_kind metric, int64_t dim, int max_code,
                  const float* vectors, int64_t count);

#endif
