// The candidates of users by group, each group in order of score. The best few of a user are found
// by `topk`; only where a group runs out among them are the others sorted.
#ifndef SHORTLIST_RANKED_H
#define SHORTLIST_RANKED_H

#include <math.h>
#include <stdint.h>

#include "kernels.h"
#include "keyed.h"
#include "select.h"
#include "workers.h"

// The best `depth` of each query.
typedef struct {
  double* scores;
  int64_t* positions;
  int64_t depth;
} first_ranks;

// The candidates of one query.
typedef struct {
  // Those of group g from starts[g] on, num_ranked[g] of starts[g + 1] - starts[g].
  scored* entries;
  int64_t* starts;
  int64_t* num_ranked;
  keyed* rest;     // room to sort what is not among the first ranks
  keyed* scratch;  // as long
  const double* scores;
  const int64_t* groups;
  const double* first_scores;
  int64_t num_items, num_groups, num_first;
} ranked_groups;

// Re-ranks the candidates of all queries by a rule, whose `call` points to `first`: that is filled
// with what may be wanted to choose k while the rule runs. 0 or OUT_OF_MEMORY.
int rerank_by(const worker* rule, const void* call, const simd_set* simd,
              const candidate_rows* rows, int64_t k, int64_t num_threads, first_ranks* first);

// Room for that many; 0 or OUT_OF_MEMORY. To be released in both cases.
int ranked_create(ranked_groups* ranked, int64_t num_items, int64_t num_groups);
void ranked_release(ranked_groups* ranked);

// Takes the candidates of a query that may be chosen (score above -INFINITY) and says how many they
// are. groups: one per candidate, below num_groups; NULL: all in group 0.
int64_t ranked_fill(ranked_groups* ranked, const candidate_rows* rows, const first_ranks* first,
                    int64_t query, const int64_t* groups, int64_t num_groups);

void ranked_sort_rest(ranked_groups* ranked);

static inline int64_t ranked_size(const ranked_groups* ranked, int64_t group) {
  return ranked->starts[group + 1] - ranked->starts[group];
}

// The candidate at a place, below the size, of its group.
static inline scored ranked_at(ranked_groups* ranked, int64_t group, int64_t place) {
  if (place >= ranked->num_ranked[group]) ranked_sort_rest(ranked);
  return ranked->entries[ranked->starts[group] + place];
}

// The sum of the best `count` over all groups, best first; no more than were to be chosen.
static inline double ranked_sum(const ranked_groups* ranked, int64_t count) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; i++) sum += ranked->first_scores[i];
  return sum;
}

#endif
