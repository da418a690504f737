// AMX with int8: a tile is 16 queries x 64 dimensions or, as the codes lie in memory, 16 quads of
// 16 items. Few queries leave a tile mostly empty and go the way of AVX-512.
#include <immintrin.h>
#include <stdatomic.h>

#include "avx512.h"
#include "processor.h"

enum {
  FEW = 7,  // queries up to which AVX-512 scans
  TILE_ROWS = 16,
  TILE_WIDTH = 64,  // bytes of a row
  PAIR_SUMS = 2 * QUERY_BLOCK * GROUP,
};

// Operand of LDTILECFG.
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;
_Static_assert(sizeof(tile_config) == 64, "LDTILECFG reads 64 bytes");

static const tile_config CONFIG = {
    .palette = 1,
    .row_bytes = {TILE_WIDTH, TILE_WIDTH, TILE_WIDTH, TILE_WIDTH, TILE_WIDTH, TILE_WIDTH,
                  TILE_WIDTH, TILE_WIDTH},
    .rows = {TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS,
             TILE_ROWS},
};

// Two groups of items. Where a strip has an odd number, the last one is multiplied twice.
typedef struct {
  int64_t first, second;
  const uint8_t* left;
  const uint8_t* right;
} group_pair;

static group_pair pair_at(const code_strip* strip, int64_t first) {
  int64_t second = first + 1 < strip->num_groups ? first + 1 : first;
  int64_t bytes = strip->num_quads * GROUP * QUAD;
  return (group_pair){first, second, strip->codes + first * bytes, strip->codes + second * bytes};
}

static inline void prefetch_tile(const uint8_t* tile) {
  for (int r = 0; r < TILE_ROWS; r++) _mm_prefetch((const char*)tile + r * TILE_WIDTH, _MM_HINT_T0);
}

// Both write 16 sums for each query of `groups->left` and, QUERY_BLOCK rows on, of `groups->right`.
// The last tile of a group may reach into what lies behind it, where the codes of a query are zero.
static void multiply_16_queries(const group_pair* groups, int64_t num_quads,
                                const query_block* queries, int32_t* sums) {
  int64_t next_pair = 2 * num_quads * GROUP * QUAD;
  _tile_zero(0);
  _tile_zero(1);
  for (int64_t r = 0; r < num_quads; r += TILE_ROWS) {
    const uint8_t* left = groups->left + r * TILE_WIDTH;
    const uint8_t* right = groups->right + r * TILE_WIDTH;
    _tile_loadd(4, queries->codes + r * QUAD, queries->stride);
    _tile_loadd(6, left, TILE_WIDTH);
    _tile_loadd(7, right, TILE_WIDTH);
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    prefetch_tile(left + next_pair);
    prefetch_tile(right + next_pair);
  }
  _tile_stored(0, sums, TILE_WIDTH);
  _tile_stored(1, sums + QUERY_BLOCK * GROUP, TILE_WIDTH);
}

static void multiply_32_queries(const group_pair* groups, int64_t num_quads,
                                const query_block* queries, int32_t* sums) {
  int64_t next_pair = 2 * num_quads * GROUP * QUAD;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t r = 0; r < num_quads; r += TILE_ROWS) {
    const uint8_t* left = groups->left + r * TILE_WIDTH;
    const uint8_t* right = groups->right + r * TILE_WIDTH;
    const int8_t* codes = queries->codes + r * QUAD;
    _tile_loadd(4, codes, queries->stride);
    _tile_loadd(6, left, TILE_WIDTH);
    _tile_dpbsud(0, 4, 6);
    _tile_loadd(5, codes + TILE_ROWS * queries->stride, queries->stride);
    _tile_dpbsud(1, 5, 6);
    _tile_loadd(7, right, TILE_WIDTH);
    _tile_dpbsud(2, 4, 7);
    _tile_dpbsud(3, 5, 7);
    prefetch_tile(left + next_pair);
    prefetch_tile(right + next_pair);
  }
  _tile_stored(0, sums, TILE_WIDTH);
  _tile_stored(1, sums + TILE_ROWS * GROUP, TILE_WIDTH);
  _tile_stored(2, sums + QUERY_BLOCK * GROUP, TILE_WIDTH);
  _tile_stored(3, sums + (QUERY_BLOCK + TILE_ROWS) * GROUP, TILE_WIDTH);
}

static int64_t write_hits(const code_strip* strip, const group_pair* groups,
                          const query_block* queries, const int32_t* sums, scan_hit* hits) {
  int64_t count = avx512_write_hits(strip, groups->first, queries, sums, hits);
  if (groups->second == groups->first) return count;
  sums += QUERY_BLOCK * GROUP;
  return count + avx512_write_hits(strip, groups->second, queries, sums, hits + count);
}

static int64_t scan(const code_strip* strip, const query_block* queries, scan_hit* hits) {
  if (queries->num_queries <= FEW) return avx512vnni_scan(strip, queries, hits);
  int32_t sums[2][PAIR_SUMS];
  int64_t count = 0;
  group_pair last = {0};
  // GCC does not know that the tile instructions read memory: what was written has to be there.
  atomic_signal_fence(memory_order_seq_cst);
  _tile_loadconfig(&CONFIG);
  // The sums of one pair are compared while the tiles of the next are multiplied.
  for (int64_t first = 0; first < strip->num_groups; first += 2) {
    group_pair groups = pair_at(strip, first);
    int32_t* place = sums[first / 2 % 2];
    if (queries->num_queries <= TILE_ROWS)
      multiply_16_queries(&groups, strip->num_quads, queries, place);
    else
      multiply_32_queries(&groups, strip->num_quads, queries, place);
    if (first > 0)
      count += write_hits(strip, &last, queries, sums[(first / 2 + 1) % 2], hits + count);
    last = groups;
  }
  if (strip->num_groups > 0)
    count += write_hits(strip, &last, queries, sums[last.first / 2 % 2], hits + count);
  // Tiles in use make every switch of threads dearer, and this thread may be of anybody's pool.
  _tile_release();
  return count;
}

const simd_set simd_amx = {
    .name = "amx",
    .is_supported = processor_has_amx,
    .dot = avx512_dot,
    .centred_dot = avx512_centred_dot,
    .squared_distance = avx512_squared_distance,
    .project = avx512_project,
    .scan = scan,
    .max_query_code = 127,
    .topk = &topk_avx512,
};
