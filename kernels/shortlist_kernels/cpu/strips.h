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

void walk_strips(const strip_walk* walk);

#endif
