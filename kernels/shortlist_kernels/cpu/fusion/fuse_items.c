// Which entries of several lists are the same item.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuse.h"

int fused_items_create(fused_items* fused, int64_t num_entries, int64_t num_lists) {
  size_t length = (size_t)num_entries + 1;
  fused->slot_bits = 1;
  while ((INT64_C(1) << fused->slot_bits) < 2 * num_entries) fused->slot_bits++;
  fused->items = malloc(length * sizeof(fused_item));
  fused->values = malloc(length * sizeof(double));
  fused->places = malloc(length * sizeof(int32_t));
  fused->scores = malloc(length * sizeof(double));
  fused->ends = malloc((size_t)num_lists * sizeof(int64_t));
  fused->slots = malloc(sizeof(int32_t) << fused->slot_bits);
  return fused->items && fused->values && fused->places && fused->scores && fused->ends &&
                 fused->slots
             ? 0
             : OUT_OF_MEMORY;
}

void fused_items_release(fused_items* fused) {
  free(fused->items);
  free(fused->values);
  free(fused->places);
  free(fused->scores);
  free(fused->ends);
  free(fused->slots);
}

// The slot where the search for an id starts: the highest bits of its product with 2^64 divided by
// the golden ratio spread ids that lie close or at equal distances.
static int64_t home_of(int64_t id, int slot_bits) {
  return (int64_t)(((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - slot_bits));
}

// The slot that holds the item with this id, or is free for it: there the search ends as well, with
// no branch of its own, which nothing could foresee.
static int32_t* find_slot(const fused_items* fused, int64_t id) {
  int64_t mask = (INT64_C(1) << fused->slot_bits) - 1;
  int64_t slot = home_of(id, fused->slot_bits);
  fused->items[NO_ITEM].id = id;
  while (fused->items[fused->slots[slot]].id != id) slot = (slot + 1) & mask;
  return &fused->slots[slot];
}

static double score_at(const ranked_list* list, int64_t query, int64_t place) {
  int64_t i = query * list->scores_stride + place;
  return list->float32 ? (double)list->float32[i] : list->float64[i];
}

// Returns -1, or the place of the first entry that cannot be taken. A list of weight 0 is only
// looked through.
static int64_t gather_list(fused_items* fused, const ranked_list* list, int64_t query,
                           int64_t number, int64_t* end) {
  int64_t count = *end, num_items = fused->num_items;
  const int64_t* ids = list->ids + query * list->ids_stride;
  for (int64_t i = 0; i < list->length; i++) {
    int64_t id = ids[i];
    double score = score_at(list, query, i);
    if (id < -1) return i;
    if (id == -1 || score == -INFINITY) continue;
    if (!(fabs(score) <= (double)FLT_MAX)) return i;
    if (list->weight == 0.0) continue;
    int32_t* slot = find_slot(fused, id);
    int32_t item = *slot, is_new = item == NO_ITEM;
    if (fused->items[item].last_list == number) return i;
    num_items += is_new;
    item |= -is_new & (int32_t)num_items;
    *slot = item;
    fused->items[item] = (fused_item){id, number};
    fused->places[count] = item;
    fused->scores[count++] = score;
  }
  *end = count;
  fused->num_items = num_items;
  return -1;
}

int64_t gather_items(fused_items* fused, const ranked_lists* lists, int64_t query, int64_t* place) {
  int64_t count = 0;
  memset(fused->slots, 0, sizeof(int32_t) << fused->slot_bits);  // NO_ITEM
  fused->items[NO_ITEM].last_list = -1;
  fused->num_items = 0;
  for (int64_t number = 0; number < lists->num_lists; number++) {
    *place = gather_list(fused, &lists->lists[number], query, number, &count);
    if (*place >= 0) return number;
    fused->ends[number] = count;
  }
  return -1;
}
