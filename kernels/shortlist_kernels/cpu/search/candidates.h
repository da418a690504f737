// Items that may belong to the best k of a query: a list per query and thread, and the floor that
// all threads share.
#ifndef SHORTLIST_CANDIDATES_H
#define SHORTLIST_CANDIDATES_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct {
  double estimate;  // the score is within `margin` of it
  float margin;
  uint32_t position;
} candidate;

static inline double upper_bound(candidate entry) { return entry.estimate + (double)entry.margin; }

typedef struct {
  candidate* entries;
  int64_t size;
  int64_t capacity;
  int64_t raise_at;  // the size at which the floor is to be raised
} candidate_list;

// The k-th best score is at least the floor. Floors only rise; the best k do not depend on when.
typedef _Atomic(double) shared_floor;

static inline double read_floor(shared_floor* floor) {
  return atomic_load_explicit(floor, memory_order_relaxed);
}

void raise_floor(shared_floor* floor, double value);

// Brings the `count` entries with the largest estimates to the front, in any order.
void largest_first(candidate* entries, int64_t size, int64_t count);

// Removes the entries whose upper bound is below `floor`.
void drop_below(candidate_list* list, double floor);

#endif
