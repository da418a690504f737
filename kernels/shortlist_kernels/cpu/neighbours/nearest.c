#include "nearest.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "kernels.h"

// Room for this many times k: fewer cuts against more entries that are taken in vain.
enum { ROOM = 2, LEAST_ROOM = 32 };

int64_t nearest_room(int64_t k) { return ROOM * k + LEAST_ROOM; }

int nearest_create(nearest_list* nearest, int64_t k, int64_t num_others) {
  nearest->k = k < num_others ? k : num_others;
  nearest->room = nearest_room(nearest->k);
  size_t length = (size_t)nearest->room;
  nearest->entries = malloc(length * sizeof(uint64_t));
  nearest->scratch = malloc(length * sizeof(uint64_t));
  nearest->sorted = malloc(length * sizeof(keyed));
  nearest->spare = malloc(length * sizeof(keyed));
  nearest_clear(nearest);
  return nearest->entries && nearest->scratch && nearest->sorted && nearest->spare ? 0
                                                                                   : OUT_OF_MEMORY;
}

void nearest_release(nearest_list* nearest) {
  free(nearest->entries);
  free(nearest->scratch);
  free(nearest->sorted);
  free(nearest->spare);
}

void nearest_clear(nearest_list* nearest) {
  nearest->count = 0;
  nearest->limit = nearest->k > 0 ? 0 : UINT64_MAX;
  nearest->floor = nearest->k > 0 ? -INFINITY : INFINITY;
}

// What rounds to at least `similarity`, less a margin for the roundings before. To infinity rounds
// all that is beyond float32.
static double below(float similarity) {
  double largest = fmin((double)similarity, (double)FLT_MAX);
  return similarity > 1e-30F ? largest * (1.0 - 1e-6) : -INFINITY;
}

void nearest_cut(nearest_list* nearest) {
  if (nearest->count <= nearest->k) return;
  memcpy(nearest->scratch, nearest->entries, (size_t)nearest->count * sizeof(uint64_t));
  nearest->limit = kth_largest(nearest->scratch, nearest->count, nearest->k);
  nearest->floor = below(float32_of(nearest->limit >> 32));
  int64_t kept = 0;
  for (int64_t i = 0; i < nearest->count; i++) {
    uint64_t entry = nearest->entries[i];
    nearest->entries[kept] = entry;
    kept += entry >= nearest->limit;
  }
  nearest->count = kept;
}

void nearest_write(nearest_list* nearest, int32_t* indices, float* similarities) {
  for (int64_t i = 0; i < nearest->count; i++) nearest->sorted[i].key = nearest->entries[i];
  sort_keyed(nearest->sorted, nearest->count, nearest->spare);
  for (int64_t i = 0; i < nearest->count; i++) {
    uint64_t entry = nearest->sorted[i].key;
    indices[i] = (int32_t)(UINT32_MAX - (uint32_t)entry);
    similarities[i] = float32_of(entry >> 32);
  }
}
