// Greedy choice among candidates whose values only fall as others are chosen. What a candidate was
// worth before bounds what it is worth now, so that most need not learn of most choices (Minoux
// 1978); those chosen are the same as if all had.
#ifndef SHORTLIST_GREEDY_H
#define SHORTLIST_GREEDY_H

#include "vectors.h"
#include "workers.h"

// The arguments of one call; `weights` are what the rule weighs with, see kernels.h.
typedef struct {
  const simd_set* simd;
  const candidate_batch* batch;
  const double* weights;
  int64_t k;
  int64_t* order;
  double* lost;
} greedy_call;

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
  // Chooses up to k, writes their positions and returns how many there are.
  int64_t (*choose)(void* rule, const double* scores, int64_t k, int64_t* order);
  void* rule;
} greedy;

// Room for the queries of a call. The caller frees it, even if this failed, and sets the rule.
int greedy_create(greedy* choice, const greedy_call* call);
void greedy_free(greedy* choice);

// The most choices for a query of the call.
int64_t greedy_most(const greedy_call* call);

// Re-ranks the candidates of a query by the rule. Those with score -INFINITY are barred; `choose`
// writes the bounds of the others. Where it stops early the best scores left are taken.
void greedy_rerank(greedy* choice, const greedy_call* call, int64_t query);

// The candidate of the largest value, of equal ones the first; -1 if none is above `least`.
int64_t greedy_best(greedy* choice, double least);

// Chooses the candidate that greedy_best returned. Its direction is its vector, until the caller
// changes that.
double* greedy_choose(greedy* choice, int64_t item);

// Re-ranks all queries; num_threads 0 means what is best.
int greedy_run(const worker* rule, const greedy_call* call, int64_t num_threads);

#endif
