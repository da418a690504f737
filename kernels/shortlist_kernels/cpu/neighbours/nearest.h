// The k largest of a stream of float32 similarities: similarity descending, index ascending.
#ifndef SHORTLIST_NEAREST_H
#define SHORTLIST_NEAREST_H

#include "keyed.h"

// Entries are collected until there is no room, and then cut to the k best; from then on only what
// is above the worst of those is taken. An entry is one number: the key of its similarity, then
// what is left of an index to the largest one, so that no two are equal.
typedef struct {
  uint64_t* entries;
  uint64_t* scratch;  // as long
  keyed* sorted;      // room for k
  keyed* spare;
  int64_t count, room, k;
  uint64_t limit;  // the worst entry of k that were found
  double floor;    // below this no similarity can enter
} nearest_list;

// 0, or OUT_OF_MEMORY; to be released in both cases. No row has more than `num_others`.
int nearest_create(nearest_list* nearest, int64_t k, int64_t num_others);
void nearest_release(nearest_list* nearest);

// How many entries a list for k has room for.
int64_t nearest_room(int64_t k);

void nearest_clear(nearest_list* nearest);

// Keeps only the k best.
void nearest_cut(nearest_list* nearest);

// Writes the entries in order, best first; there are `count` of them. To be cut before.
void nearest_write(nearest_list* nearest, int32_t* indices, float* similarities);

static inline void nearest_take(nearest_list* nearest, float similarity, int32_t index) {
  uint64_t entry = float32_key(similarity) << 32 | (UINT32_MAX - (uint32_t)index);
  if (entry <= nearest->limit) return;
  if (nearest->count == nearest->room) {
    nearest_cut(nearest);
    if (entry <= nearest->limit) return;
  }
  nearest->entries[nearest->count++] = entry;
}

#endif
