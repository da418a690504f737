// Values with their positions, as integers that order like the values.
#ifndef SHORTLIST_KEYED_H
#define SHORTLIST_KEYED_H

#include <stdint.h>
#include <string.h>

typedef struct {
  uint64_t key;
  int64_t position;
} keyed;

enum { SIGN32 = 31, SIGN64 = 63 };

// Larger for larger values and equal for -0.0 and 0.0, which adding 0.0 makes one. Not for NaN.
// One more than a key is the key of the next value above; that of infinity turns into a NaN.
static inline uint64_t float32_key(float value) {
  uint32_t bits;
  value += 0.0F;
  memcpy(&bits, &value, sizeof bits);
  return bits >> SIGN32 ? ~bits : bits | UINT32_C(1) << SIGN32;
}

static inline uint64_t float64_key(double value) {
  uint64_t bits;
  value += 0.0;
  memcpy(&bits, &value, sizeof bits);
  return bits >> SIGN64 ? ~bits : bits | UINT64_C(1) << SIGN64;
}

static inline float float32_of(uint64_t key) {
  uint32_t bits = (uint32_t)key;
  bits = bits >> SIGN32 ? bits ^ UINT32_C(1) << SIGN32 : ~bits;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline double float64_of(uint64_t key) {
  uint64_t bits = key >> SIGN64 ? key ^ UINT64_C(1) << SIGN64 : ~key;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// The k-th largest of `count` keys, 1 <= k <= count. Leaves them in disorder.
uint64_t kth_largest(uint64_t* keys, int64_t count, int64_t k);

// Keeps the k entries of the largest keys, of equal keys the first, in the order they had;
// returns the smallest key kept. `scratch` has room for `count`. 1 <= k <= count.
uint64_t keep_largest(keyed* entries, int64_t count, int64_t k, uint64_t* scratch);

// Sorts by key, largest first; equal keys keep their order. `scratch` has room for `count`.
void sort_keyed(keyed* entries, int64_t count, keyed* scratch);

#endif
