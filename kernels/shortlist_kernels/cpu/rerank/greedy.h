// Greedy choice among candidates whose values only fall as others are chosen. What a candidate was
// worth before bounds what it is worth now, so that most need not learn of most choices (Minoux
// 1978); those chosen are the same as if all had.
#ifndef SHORTLIST_GREEDY_H
#define SHORTLIST_GREEDY_H

#include "vectors.h"

typedef struct {
  const simd_set* simd;
  const float* vectors;  // of the candidates of one query
  int64_t num_items, dim;
  double* bounds;      // values by the choices seen; -INFINITY for those chosen or barred
  int64_t* num_seen;   // choices that each candidate has learnt of, the first ones
  double* norms;       // of candidates that have seen one
  double* directions;  // what each choice compares candidates with, padded_dim(dim) values
  int64_t num_chosen;
  int64_t likely;   // a candidate that came close, -1 if there is none
  scored* entries;  // room for all candidates, to find the best scores
  // Tells a candidate its inner products with the directions of `count` choices, `first` and those
  // that follow; returns its new value.
  double (*learn)(void* rule, int64_t item, int64_t first, int64_t count, const double* products);
  void* rule;
} greedy;

// `most` is the largest number of choices. The caller frees it, even if this failed.
int greedy_create(greedy* choice, const simd_set* simd, const candidate_batch* batch, int64_t most);
void greedy_free(greedy* choice);

// Begins with the candidates of another query: bars those with score -INFINITY and returns how many
// are left. The caller then writes the bounds of these.
int64_t greedy_begin(greedy* choice, const float* vectors, const double* scores);

// The candidate of the largest value, of equal ones the first; -1 if none is above `least`.
int64_t greedy_best(greedy* choice, double least);

// Chooses the candidate that greedy_best returned. Its direction is its vector, until the caller
// changes that.
double* greedy_choose(greedy* choice, int64_t item);

// Writes the positions of the best `count` scores among the candidates still open.
void greedy_fill(greedy* choice, const double* scores, int64_t count, int64_t* positions);

// The sum of the best `count` scores, minus that of those at `positions`.
double relevance_lost(greedy* choice, const double* scores, const int64_t* positions,
                      int64_t count);

// How many threads share the queries: `wanted`, or what is best where that is 0.
int64_t greedy_threads(const candidate_batch* batch, int64_t wanted);

#endif
