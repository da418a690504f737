// The items of an index: float32 rows, the codes that are scanned, and the bounds of what the codes
// leave out. Arrays lie in chunks of a power of two of items, so that growing copies no chunk but
// the last. store.py owns the arrays.
#ifndef SHORTLIST_STORE_H
#define SHORTLIST_STORE_H

#include "kernels.h"
#include "simd/scan.h"

enum { LARGEST_CODE = 63, CODE_ZERO = 64 };  // a byte is CODE_ZERO + a code of +-LARGEST_CODE

// Of up to STRIP consecutive items. A row z is scale * (code - 64) + error; every field but `scale`
// is a maximum over the items that are or were in the strip, rounded up.
typedef struct {
  double scale;     // a power of two at or above the scale of every item; 0 before the first
  double norm;      // of |z|
  double rounding;  // of |error| / scale of the item
} strip_bounds;

// A row of the table that store.py keeps: addresses of the arrays of one chunk.
struct chunk {
  float* vectors;
  uint8_t* codes;
  float* inverses;  // scale of the strip / scale of the item; NaN where there is no item
  float* offsets;   // euclidean only: minus the squared norm, rounded to float32
  int64_t* ids;
  strip_bounds* bounds;  // one per strip
};

static inline const chunk* chunk_of(const item_store* items, int64_t position) {
  return &items->chunks[position >> items->chunk_shift];
}

static inline int64_t place_in_chunk(const item_store* items, int64_t position) {
  return position & (((int64_t)1 << items->chunk_shift) - 1);
}

static inline const float* vector_at(const item_store* items, int64_t position) {
  return chunk_of(items, position)->vectors + place_in_chunk(items, position) * items->dim;
}

static inline int64_t id_at(const item_store* items, int64_t position) {
  return chunk_of(items, position)->ids[place_in_chunk(items, position)];
}

enum { CACHE_LINE = 64, MAX_PREFETCH = 16 };  // bytes, lines

// GCC takes a function that only prefetches for one without effect and drops its calls, unless it
// is inlined first.
static inline __attribute__((always_inline)) void prefetch_vector(const item_store* items,
                                                                  int64_t position) {
  const char* row = (const char*)vector_at(items, position);
  int64_t num_bytes = items->dim * (int64_t)sizeof(float);
  for (int64_t line = 0; line < MAX_PREFETCH && line * CACHE_LINE < num_bytes; line++)
    __builtin_prefetch(row + line * CACHE_LINE);
}

// The vector and the id, each a cache miss of its own in a large index.
static inline __attribute__((always_inline)) void prefetch_item(const item_store* items,
                                                                int64_t position) {
  __builtin_prefetch(&chunk_of(items, position)->ids[place_in_chunk(items, position)]);
  prefetch_vector(items, position);
}

// id_table.c: the item at `position` leaves the table; the item at `from` is entered at `to`. Both
// before the ids in the store change.
void table_erase(const item_store* items, const id_table* table, int64_t position);
void table_move(const item_store* items, const id_table* table, int64_t from, int64_t to);

// Even, as instruction sets take two at a time.
static inline int64_t num_quads(const item_store* items) {
  return (items->dim + 2 * QUAD - 1) / (2 * QUAD) * 2;
}

#endif
