// Candidates of the same kind: those with the same list of groups and weights.
#ifndef SHORTLIST_KINDS_H
#define SHORTLIST_KINDS_H

#include <stdint.h>

#include "kernels.h"

typedef struct {
  int64_t* of_item;   // the kind of each candidate
  int64_t* rows;      // the row of memberships of each kind
  int64_t* table;     // open-addressing, kinds by the hash of their row, -1 where free
  int64_t num_slots;  // of the table, a power of two
} item_kinds;

// Room for that many candidates; 0 or OUT_OF_MEMORY. To be released in both cases.
int kinds_create(item_kinds* kinds, int64_t num_items);
void kinds_release(item_kinds* kinds);

// Sorts candidates with the rows from `first_row` on into kinds, and says how many kinds there are.
int64_t find_kinds(const membership_rows* memberships, int64_t first_row, int64_t num_items,
                   item_kinds* kinds);

#endif
