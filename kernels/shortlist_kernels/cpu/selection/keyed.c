#include "keyed.h"

enum { DIGIT = 8, BUCKETS = 1 << DIGIT, FEW = 16 };

// A digit of few bits for few keys: clearing and adding up the buckets must not cost more.
static int digit_of(int64_t count) {
  int digit = 64 - __builtin_clzll((uint64_t)count);
  return digit < DIGIT ? digit : DIGIT;
}

// How far to shift keys for the highest digit in which they differ, given the bits that do.
static int highest_shift(uint64_t differing, int digit) {
  int bits = 64 - __builtin_clzll(differing);
  return bits > digit ? bits - digit : 0;
}

uint64_t kth_largest(uint64_t* keys, int64_t count, int64_t k) {
  for (;;) {
    uint64_t differing = 0;
    for (int64_t i = 1; i < count; i++) differing |= keys[i] ^ keys[0];
    if (differing == 0) return keys[0];
    int digit = digit_of(count), shift = highest_shift(differing, digit);
    uint64_t mask = (UINT64_C(1) << digit) - 1, bucket = mask;
    int64_t sizes[BUCKETS] = {0}, kept = 0;
    for (int64_t i = 0; i < count; i++) sizes[keys[i] >> shift & mask]++;
    for (; k > sizes[bucket]; bucket--) k -= sizes[bucket];
    for (int64_t i = 0; i < count; i++) {
      uint64_t key = keys[i];
      keys[kept] = key;
      kept += (key >> shift & mask) == bucket;
    }
    count = kept;
  }
}

uint64_t keep_largest(keyed* entries, int64_t count, int64_t k, uint64_t* scratch) {
  for (int64_t i = 0; i < count; i++) scratch[i] = entries[i].key;
  uint64_t last = kth_largest(scratch, count, k);
  int64_t num_equal = k, kept = 0;
  for (int64_t i = 0; i < count; i++) num_equal -= entries[i].key > last;
  for (int64_t i = 0; kept < k; i++) {
    int is_equal = entries[i].key == last && num_equal > 0;
    entries[kept] = entries[i];
    kept += is_equal || entries[i].key > last;
    num_equal -= is_equal;
  }
  return last;
}

static void sort_few(keyed* entries, int64_t count) {
  for (int64_t i = 1; i < count; i++) {
    keyed moved = entries[i];
    int64_t place = i;
    for (; place > 0 && entries[place - 1].key < moved.key; place--)
      entries[place] = entries[place - 1];
    entries[place] = moved;
  }
}

// Orders by one digit, the largest first; ends[d] becomes the end of bucket d.
static void scatter(const keyed* from, keyed* to, int64_t count, int shift, int digit,
                    int64_t* ends) {
  uint64_t mask = (UINT64_C(1) << digit) - 1;
  memset(ends, 0, (mask + 1) * sizeof(int64_t));
  for (int64_t i = 0; i < count; i++) ends[from[i].key >> shift & mask]++;
  int64_t before = 0;
  for (int64_t bucket = (int64_t)mask; bucket >= 0; bucket--) {
    int64_t size = ends[bucket];
    ends[bucket] = before;
    before += size;
  }
  for (int64_t i = 0; i < count; i++) to[ends[from[i].key >> shift & mask]++] = from[i];
}

// Puts groups of at most FEW entries in order, from the highest differing digit down; the depth is
// that of a key in digits.
static void split(keyed* entries, int64_t count, keyed* scratch) {
  uint64_t differing = 0;
  for (int64_t i = 1; i < count; i++) differing |= entries[i].key ^ entries[0].key;
  if (differing == 0) return;
  int64_t ends[BUCKETS], first = 0;
  int digit = digit_of(count), shift = highest_shift(differing, digit);
  scatter(entries, scratch, count, shift, digit, ends);
  memcpy(entries, scratch, (size_t)count * sizeof(keyed));
  if (shift == 0) return;
  for (int64_t bucket = (INT64_C(1) << digit) - 1; bucket >= 0; bucket--) {
    if (ends[bucket] - first > FEW) split(entries + first, ends[bucket] - first, scratch);
    first = ends[bucket];
  }
}

// One insertion over all groups has fewer branches that go wrong than one for each.
void sort_keyed(keyed* entries, int64_t count, keyed* scratch) {
  if (count > FEW) split(entries, count, scratch);
  sort_few(entries, count);
}
