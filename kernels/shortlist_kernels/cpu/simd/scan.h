// The scan over codes: which items may reach a query's limit. One `scan` per instruction set.
//
// A code is a byte from 1 to 127: 64 plus a whole number from -63 to 63 (README.md says how vectors
// become codes). Below 128 the same bytes are valid as signed and as unsigned operands, and sums of
// two products fit the 16-bit accumulators of AVX2.
//
// Codes lie in groups of 16 items. A group is `num_quads` rows of 64 bytes; row r holds dimensions
// 4r to 4r + 3 of the 16 items, four bytes an item: byte 4 * item + (dimension mod 4). One 32-bit
// lane is one item, so that no sum crosses lanes. Missing dimensions and items hold any code.
#ifndef SHORTLIST_SCAN_H
#define SHORTLIST_SCAN_H

#include <stdint.h>

enum {
  GROUP = 16,           // items
  QUAD = 4,             // dimensions
  STRIP = 256,          // items that share bounds; at most that many are scanned by one call
  QUERY_BLOCK = 32,     // queries of one call
  CODE_PADDING = 1024,  // bytes that are readable behind the last group of any strip
};

typedef struct {
  const uint8_t* codes;   // num_groups * num_quads * 64 bytes
  const float* inverses;  // one per item, at least 1; NaN where there is no item
  int64_t num_groups;     // at most STRIP / GROUP
  int64_t num_quads;      // even
} code_strip;

// Query codes are signed, within +-max_query_code of the instruction set, `stride` bytes a query (a
// multiple of 64), zeros behind the last dimension. Rows 0 to QUERY_BLOCK - 1 are readable.
typedef struct {
  const int8_t* codes;
  int64_t stride;
  int64_t num_queries;     // 1 to QUERY_BLOCK
  const float* limits;     // per query; -inf lets every item pass, +inf none
  const float* units;      // per query, finite
  const float* margins;    // per query, finite
  const float* offsets;    // one per item of the strip, finite, or NULL for zeros
  int64_t offsets_stride;  // from one query's to the next one's; 0 where they share them
} query_block;

// `sum` is the sum of code * query code over all dimensions, the 64 in the code included.
typedef struct {
  uint16_t item;   // within the strip
  uint16_t query;  // within the block
  int32_t sum;
} scan_hit;

// Writes every (item, query) with
//   sum >= (limit - unit * offset) * inverse - margin        (false where inverse is NaN)
// evaluated in float32 with any rounding or fusing of the right side (its inputs leave room for
// that), in any order, and returns how many. `hits` has room for all of them.
typedef int64_t scan_function(const code_strip* strip, const query_block* queries, scan_hit* hits);

#endif
