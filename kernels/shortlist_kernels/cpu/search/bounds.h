// What the codes of some consecutive items must reach to matter to a query, and what an item can
// score at most.
#ifndef SHORTLIST_BOUNDS_H
#define SHORTLIST_BOUNDS_H

#include "candidates.h"
#include "search.h"
#include "store.h"

// Consecutive items of one strip; `first` is a multiple of GROUP.
typedef struct {
  int64_t first, num_items;
  code_strip codes;
  const strip_bounds* bounds;
  const float* offsets;  // euclidean only
} code_span;

typedef struct {
  float limits[QUERY_BLOCK], units[QUERY_BLOCK], margins[QUERY_BLOCK];
  float largest_offset[QUERY_BLOCK];  // of the span, in magnitude
  // What the span's items add to a score: NULL for zeros, one row for all queries, or one a query
  // every offsets_stride values. In `sums`, or where the caller or the store keeps them.
  const float* offsets;
  int64_t offsets_stride;
  float sums[QUERY_BLOCK * STRIP];
} block_limits;

// The first items from `begin` on, up to `end`, whose 64-item words of the mask are not empty;
// false if there are none. Without a mask: all.
int next_span(const item_store* items, const uint8_t* mask, int64_t begin, int64_t end,
              code_span* span);

// For queries first to first + count - 1 of the pass. False if no item of the span can reach any
// floor.
int set_limits(block_limits* limits, const search_call* call, const coded_queries* queries,
               int64_t first_query, const code_span* span, int64_t first, int64_t count,
               shared_floor* floors);

// What the sum of a hit says about the item's score.
candidate candidate_of(const block_limits* limits, const coded_queries* queries,
                       const code_span* span, int64_t q, scan_hit hit);

#endif
