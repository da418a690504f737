// Stands in for the compiler's header, so that the sources of AVX-512 and AMX run on any x86-64:
// SIMDe (Debian's libsimde-dev) computes AVX-512 in C, this file what SIMDe lacks and the tiles.
#ifndef SHORTLIST_EMULATED_IMMINTRIN_H
#define SHORTLIST_EMULATED_IMMINTRIN_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t __mmask8;
typedef uint16_t __mmask16;

static inline __m512 _mm512_cvtepi32_ps(__m512i values) {
  int32_t integers[16];
  float floats[16];
  memcpy(integers, &values, sizeof(integers));
  for (int i = 0; i < 16; i++) floats[i] = (float)integers[i];
  return _mm512_loadu_ps(floats);
}

static inline __m512d _mm512_cvtps_pd(__m256 values) {
  float floats[8];
  double doubles[8];
  memcpy(floats, &values, sizeof(floats));
  for (int i = 0; i < 8; i++) doubles[i] = floats[i];
  return _mm512_loadu_pd(doubles);
}

// Reads no value whose bit is 0, as a masked load may end at the end of a page.
static inline __m256 _mm256_maskz_loadu_ps(__mmask8 mask, const float* values) {
  float loaded[8] = {0};
  for (int i = 0; i < 8; i++)
    if (mask >> i & 1) loaded[i] = values[i];
  return _mm256_loadu_ps(loaded);
}

#define _mm512_mask_cmp_ps_mask(mask, left, right, predicate) \
  ((__mmask16)((mask) & _mm512_cmp_ps_mask(left, right, predicate)))

// The tiles of a thread, for configurations of 8 tiles of 16 rows of 64 bytes.
typedef union {
  uint8_t bytes[16][64];
  int32_t sums[16][16];
} emulated_tile;

typedef struct {
  int is_configured;
  emulated_tile tiles[8];
} emulated_tiles;

static inline emulated_tiles* emulated_tile_state(void) {
  static _Thread_local emulated_tiles state;
  return &state;
}

static inline void emulated_fault(const char* reason) {
  fprintf(stderr, "emulated AMX: %s\n", reason);
  abort();
}

static inline emulated_tile* emulated_tile_at(int tile) {
  if (!emulated_tile_state()->is_configured) emulated_fault("a tile without a configuration");
  return &emulated_tile_state()->tiles[tile];
}

static inline void _tile_loadconfig(const void* config) {
  const uint8_t* bytes = config;
  int is_plain = bytes[0] == 1 && bytes[1] == 0;
  for (int i = 2; i < 16; i++) is_plain &= bytes[i] == 0;
  for (int i = 0; i < 8; i++) is_plain &= bytes[16 + 2 * i] == 64 && bytes[17 + 2 * i] == 0;
  for (int i = 0; i < 8; i++) is_plain &= bytes[48 + i] == 16;
  for (int i = 8; i < 16; i++)
    is_plain &= !bytes[16 + 2 * i] && !bytes[17 + 2 * i] && !bytes[48 + i];
  if (!is_plain) emulated_fault("a configuration other than 8 tiles of 16 rows of 64 bytes");
  memset(emulated_tile_state(), 0, sizeof(emulated_tiles));
  emulated_tile_state()->is_configured = 1;
}

static inline void _tile_release(void) { memset(emulated_tile_state(), 0, sizeof(emulated_tiles)); }

static inline void _tile_zero(int tile) {
  memset(emulated_tile_at(tile), 0, sizeof(emulated_tile));
}

static inline void _tile_loadd(int tile, const void* base, int64_t stride) {
  for (int row = 0; row < 16; row++)
    memcpy(emulated_tile_at(tile)->bytes[row], (const uint8_t*)base + row * stride, 64);
}

static inline void _tile_stored(int tile, void* base, int64_t stride) {
  for (int row = 0; row < 16; row++)
    memcpy((uint8_t*)base + row * stride, emulated_tile_at(tile)->bytes[row], 64);
}

// TDPBSUD: a lane of row m and column n gains the products of four signed bytes of row m of `left`
// and four unsigned bytes of row k of `right`, for all k.
static inline void _tile_dpbsud(int sums, int left, int right) {
  emulated_tile *a = emulated_tile_at(left), *b = emulated_tile_at(right);
  emulated_tile* c = emulated_tile_at(sums);
  if (sums == left || sums == right || left == right) emulated_fault("one tile in two roles");
  for (int m = 0; m < 16; m++)
    for (int k = 0; k < 16; k++)
      for (int n = 0; n < 16; n++)
        for (int i = 0; i < 4; i++)
          c->sums[m][n] += (int8_t)a->bytes[m][4 * k + i] * (int)b->bytes[k][4 * n + i];
}

#endif
