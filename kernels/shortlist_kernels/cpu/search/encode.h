// Codes of rows that lie in the store.
#ifndef SHORTLIST_ENCODE_H
#define SHORTLIST_ENCODE_H

#include "store.h"

// Codes items begin to end - 1, all of one strip whose items before `begin` have codes. `scratch`
// has room for a row.
void code_items(const item_store* items, int64_t begin, int64_t end, float* scratch);

// Codes the item at `position`, whose vector has changed.
void recode_item(const item_store* items, int64_t position, float* scratch);

#endif
