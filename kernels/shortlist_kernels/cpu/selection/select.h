// The best k of a stream of (score, id): score descending, equal scores by id ascending.
#ifndef SHORTLIST_SELECT_H
#define SHORTLIST_SELECT_H

#include <stdint.h>

typedef struct {
  double score;
  int64_t id;
} scored;

// A heap with the worst entry at its root. Scores must not be NaN.
typedef struct {
  scored* entries;
  int64_t size;
  int64_t capacity;
} best_list;

static inline int precedes(scored left, scored right) {
  return left.score > right.score || (left.score == right.score && left.id < right.id);
}

// Whether the entry belongs to the best seen so far.
static inline int best_admits(const best_list* best, scored entry) {
  if (best->size < best->capacity) return 1;
  return best->capacity > 0 && precedes(entry, best->entries[0]);
}

// Takes an entry that best_admits let in; the worst one leaves when the list is full.
void best_take(best_list* best, scored entry);

// Puts the entries in order, best first; the list is no heap any more.
void best_sort(best_list* best);

#endif
