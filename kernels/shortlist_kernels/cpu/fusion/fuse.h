// The parts of `fuse`: the items of one query's lists, and what the lists give them.
#ifndef SHORTLIST_FUSE_H
#define SHORTLIST_FUSE_H

#include "kernels.h"

// Items are numbered from 1 in order of appearance; what stands at 0 has no id that an entry has.
enum { NO_ITEM = 0 };

typedef struct {
  int64_t id;
  int64_t last_list;  // the last list that has it
} fused_item;

// The entries that are present lie behind each other, list after list.
typedef struct {
  fused_item* items;
  double* values;  // of each item: what it gets of all lists
  int64_t num_items;
  int32_t* places;  // of each entry: which item it is
  double* scores;   // of each entry
  int64_t* ends;    // of each list: where its entries end
  int32_t* slots;   // finds items by id: open addressing, a power of two
  int slot_bits;
} fused_items;

// Room for `num_entries` in all lists. 0, or OUT_OF_MEMORY; to be released in both cases.
int fused_items_create(fused_items* fused, int64_t num_entries, int64_t num_lists);
void fused_items_release(fused_items* fused);

// fuse_items.c: takes in the lists of a query. Returns -1, or the number of the first list with an
// entry that cannot be taken, and where in it.
int64_t gather_items(fused_items* fused, const ranked_lists* lists, int64_t query, int64_t* place);

// fuse_values.c: fills `values`. Spoils `scores`.
void value_items(fused_items* fused, const ranked_lists* lists, fusion_method method,
                 fusion_norm norm);

// Where the entries of a list begin.
static inline int64_t start_of(const fused_items* fused, int64_t list) {
  return list == 0 ? 0 : fused->ends[list - 1];
}

#endif
