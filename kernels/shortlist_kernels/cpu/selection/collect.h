// Collects the k largest of a part of a row of scores.
#ifndef SHORTLIST_COLLECT_H
#define SHORTLIST_COLLECT_H

#include "kernels.h"
#include "keyed.h"

typedef struct {
  const topk_functions* simd;
  const score_matrix* scores;
  int64_t wanted;    // of a row: k, but no more than its values
  int64_t capacity;  // how many entries are collected before they are cut to the `wanted` best
} collector;

typedef struct {
  keyed* entries;  // ascending by position; room for collection_room()
  keyed* scratch;  // as long
  int64_t count;
} collection;

collector make_collector(const simd_set* simd, const score_matrix* scores, int64_t k);

int64_t collection_room(const collector* call);

// A key that at least `wanted` values of the row reach, or that of -inf. Spoils `spare`.
uint64_t seed_limit(const collector* call, int64_t row, collection* spare);

// Makes `found` the best of the numbers of a part of a row with keys of at least `limit`: at most
// `wanted`. NaN is never found.
void collect(const collector* call, int64_t row, int64_t first, int64_t end, uint64_t limit,
             collection* found);

#endif
