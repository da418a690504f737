// Goes through the codes of all items, with every query of a pass, and offers what may matter.
#ifndef SHORTLIST_STRIPS_H
#define SHORTLIST_STRIPS_H

#include "bounds.h"
#include "candidates.h"
#include "search.h"

typedef struct {
  block_limits limits;
  scan_hit hits[QUERY_BLOCK * STRIP];
} strip_scratch;

typedef struct {
  const search_call* call;
  const coded_queries* queries;
  int64_t first_query;  // of the pass, among all queries of the call
  int64_t num_threads;
  shared_floor* floors;    // one per query of the pass
  strip_scratch* scratch;  // one per thread
  // Is given every allowed item whose score may reach the floor that the query had a moment ago; q
  // counts within the pass. Calls with one `thread` do not overlap.
  void (*offer)(void* context, int64_t thread, int64_t q, candidate entry);
  void* context;
} strip_walk;

// The first SEED_ITEMS of every SEED_STRIDE-th strip, a sample from all over the store.
enum { SEED_STRIDE = 8, SEED_ITEMS = 64 };

void walk_seeds(const strip_walk* walk);

// All items, or all but the seeds.
void walk_strips(const strip_walk* walk, int seeds_too);

#endif
