// Whether a query may get a position.
#ifndef SHORTLIST_FILTER_H
#define SHORTLIST_FILTER_H

#include "kernels.h"

typedef struct {
  const int64_t* positions;
  int64_t count;
} position_list;

// The list for one query; empty where there is no such filter.
static inline position_list list_of(const position_lists* lists, int64_t query) {
  if (!lists->indptr) return (position_list){0, 0};
  int64_t row = lists->num_lists == 1 ? 0 : query;
  int64_t start = lists->indptr[row];
  return (position_list){lists->positions + start, lists->indptr[row + 1] - start};
}

// The mask bits of one query, or NULL.
static inline const uint8_t* mask_of(const filter_set* filters, int64_t query) {
  if (!filters->mask_bits) return 0;
  return filters->mask_bits + (filters->mask_rows == 1 ? 0 : query) * filters->mask_bytes;
}

static inline int mask_allows(const uint8_t* mask, int64_t position) {
  return !mask || (mask[position / 8] >> (position % 8) & 1);
}

// Whether the mask lets none of the items first to end - 1 through; `first` is a multiple of 8.
static inline int mask_bars(const uint8_t* mask, int64_t first, int64_t end) {
  if (!mask) return 0;
  for (int64_t byte = first / 8; byte < (end + 7) / 8; byte++)
    if (mask[byte]) return 0;
  return 1;
}

// The bias of one query, or NULL.
static inline const float* bias_of(const bias_rows* bias, int64_t query, int64_t num_items) {
  if (!bias->values) return 0;
  return bias->values + (bias->num_rows == 1 ? 0 : query) * num_items;
}

// Index of the first entry of the list that is not below `position`.
static inline int64_t lower_bound(position_list list, int64_t position) {
  int64_t low = 0, high = list.count;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (list.positions[middle] < position)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static inline int list_holds(position_list list, int64_t position) {
  int64_t place = lower_bound(list, position);
  return place < list.count && list.positions[place] == position;
}

#endif
