#include "kinds.h"

#include <stdlib.h>
#include <string.h>

int kinds_create(item_kinds* kinds, int64_t num_items) {
  kinds->num_slots = 2;
  while (kinds->num_slots < 2 * num_items) kinds->num_slots *= 2;
  kinds->of_item = malloc(((size_t)num_items + 1) * sizeof(int64_t));
  kinds->rows = malloc(((size_t)num_items + 1) * sizeof(int64_t));
  kinds->table = malloc((size_t)kinds->num_slots * sizeof(int64_t));
  return kinds->of_item && kinds->rows && kinds->table ? 0 : OUT_OF_MEMORY;
}

void kinds_release(item_kinds* kinds) {
  free(kinds->of_item);
  free(kinds->rows);
  free(kinds->table);
}

// Multiplies by an odd number and lets high bits reach low ones.
static uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ (hash >> 29);
}

static uint64_t hash_row(const membership_rows* memberships, int64_t row) {
  uint64_t hash = 0;
  for (int64_t e = memberships->indptr[row]; e < memberships->indptr[row + 1]; e++) {
    uint64_t bits;
    memcpy(&bits, &memberships->weights[e], sizeof bits);
    hash = mix(mix(hash, (uint64_t)memberships->groups[e] + 1), bits);
  }
  return hash;
}

static int same_rows(const membership_rows* memberships, int64_t left, int64_t right) {
  const int64_t* indptr = memberships->indptr;
  int64_t count = indptr[left + 1] - indptr[left];
  if (count != indptr[right + 1] - indptr[right]) return 0;
  for (int64_t e = 0; e < count; e++) {
    int64_t l = indptr[left] + e, r = indptr[right] + e;
    if (memberships->groups[l] != memberships->groups[r]) return 0;
    if (memberships->weights[l] != memberships->weights[r]) return 0;
  }
  return 1;
}

int64_t find_kinds(const membership_rows* memberships, int64_t first_row, int64_t num_items,
                   item_kinds* kinds) {
  int64_t num_kinds = 0, mask = kinds->num_slots - 1;
  for (int64_t slot = 0; slot < kinds->num_slots; slot++) kinds->table[slot] = -1;
  for (int64_t i = 0; i < num_items; i++) {
    int64_t row = first_row + i;
    int64_t slot = (int64_t)(hash_row(memberships, row) & (uint64_t)mask);
    while (kinds->table[slot] >= 0 && !same_rows(memberships, kinds->rows[kinds->table[slot]], row))
      slot = (slot + 1) & mask;
    if (kinds->table[slot] < 0) {
      kinds->rows[num_kinds] = row;
      kinds->table[slot] = num_kinds++;
    }
    kinds->of_item[i] = kinds->table[slot];
  }
  return num_kinds;
}
