#include "bounds.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { WORD = 64 };  // items of one test of the mask

// Room for the float32 roundings in a limit and in the sums of a scan.
static const double ROOM = 0x1p-20;
// Beyond this, float32 would lose the comparison; every item passes it instead.
static const double LARGEST_LIMIT = 0x1p100;

static int word_is_barred(const uint8_t* mask, int64_t first, int64_t end) {
  return mask_bars(mask, first, first + WORD < end ? first + WORD : end);
}

int next_span(const item_store* items, const uint8_t* mask, int64_t begin, int64_t end,
              code_span* span) {
  while (begin < end && word_is_barred(mask, begin, end)) begin += WORD;
  if (begin >= end) return 0;
  int64_t stop = begin;
  while (stop < end && !word_is_barred(mask, stop, end)) stop += WORD;
  if (stop > end) stop = end;
  const chunk* chunk = chunk_of(items, begin);
  int64_t place = place_in_chunk(items, begin);
  *span = (code_span){
      .first = begin,
      .num_items = stop - begin,
      .codes = {chunk->codes + place * num_quads(items) * QUAD, chunk->inverses + place,
                (stop - begin + GROUP - 1) / GROUP, num_quads(items)},
      .bounds = &chunk->bounds[place / STRIP],
      .offsets = items->metric == EUCLIDEAN ? chunk->offsets + place : 0,
  };
  return 1;
}

static float larger(float left, float right) { return left > right ? left : right; }

typedef struct {
  float largest, magnitude;  // the largest value, and the largest magnitude
} extremes;

// GROUP maxima at a time, which the compiler vectorises.
static extremes reduce_extremes(float* largest, float* magnitudes) {
  for (int i = 1; i < GROUP; i++) {
    largest[0] = larger(largest[i], largest[0]);
    magnitudes[0] = larger(magnitudes[i], magnitudes[0]);
  }
  return (extremes){largest[0], magnitudes[0]};
}

static extremes extremes_of(const float* offsets, int64_t num_items) {
  float largest[GROUP], magnitudes[GROUP] = {0};
  for (int i = 0; i < GROUP; i++) largest[i] = -FLT_MAX;
  for (int64_t first = 0; first < num_items; first += GROUP) {
    for (int i = 0; i < GROUP; i++) {
      largest[i] = larger(offsets[first + i], largest[i]);
      magnitudes[i] = larger(fabsf(offsets[first + i]), magnitudes[i]);
    }
  }
  return reduce_extremes(largest, magnitudes);
}

// The items' own offsets, if they have any, plus the bias. The magnitude is that of the parts.
static extremes add_offsets(float* sums, const code_span* span, const float* bias) {
  float largest[GROUP], magnitudes[GROUP] = {0};
  for (int i = 0; i < GROUP; i++) largest[i] = -FLT_MAX;
  for (int64_t first = 0; first < span->num_items; first += GROUP) {
    int64_t left = span->num_items - first;
    size_t num_bytes = (size_t)(left < GROUP ? left : GROUP) * sizeof(float);
    float own[GROUP] = {0}, added[GROUP] = {0};
    if (span->offsets) memcpy(own, span->offsets + first, num_bytes);
    memcpy(added, bias + span->first + first, num_bytes);
    for (int i = 0; i < GROUP; i++) {
      float sum = larger(own[i] + added[i], -FLT_MAX);  // a scan takes finite ones only
      sums[first + i] = sum;
      largest[i] = larger(sum, largest[i]);
      magnitudes[i] = larger(fabsf(own[i]) + fabsf(added[i]), magnitudes[i]);
    }
  }
  return reduce_extremes(largest, magnitudes);
}

// Points to the offsets where they lie if that will do: a scan reads whole groups of items.
static void point_to_offsets(block_limits* limits, const search_call* call, const code_span* span,
                             int64_t query) {
  const float* bias = bias_of(call->bias, query, call->items->num_items);
  int per_query = bias && call->bias->num_rows > 1;
  if (!bias) {
    limits->offsets = span->offsets;
    limits->offsets_stride = 0;
  } else if (!span->offsets && span->num_items % GROUP == 0) {
    limits->offsets = bias + span->first;
    limits->offsets_stride = per_query ? call->items->num_items : 0;
  } else {
    limits->offsets = limits->sums;
    limits->offsets_stride = per_query ? STRIP : 0;
  }
}

// Of the offsets of the block's i-th query, which are added up first where they must be.
static extremes prepare_offsets(block_limits* limits, const search_call* call,
                                const code_span* span, int64_t query, int64_t i) {
  if (!limits->offsets) return (extremes){0, 0};
  int64_t row = i * limits->offsets_stride;
  if (limits->offsets != limits->sums) return extremes_of(limits->offsets + row, span->num_items);
  return add_offsets(limits->sums + row, span, bias_of(call->bias, query, call->items->num_items));
}

// Sets one limit; false if no item of the span can reach the floor.
static int set_limit(block_limits* limits, const coded_queries* queries, const code_span* span,
                     int64_t q, int64_t i, double floor, double largest_offset) {
  double target = floor - queries->shifts[q] - queries->errors[q] * span->bounds->norm;
  target -= queries->slack * (fabs(floor) + fabs(queries->shifts[q]));
  // An offset is rounded by a share of itself, or by less than FLT_MIN where it is smaller still.
  double largest = (double)limits->largest_offset[i];
  double rounding = limits->offsets ? FLT_MIN : 0, room = ROOM * largest + rounding;
  double reach = queries->lengths[q] * span->bounds->norm + largest_offset;
  limits->limits[i] = INFINITY;
  limits->units[i] = 0;
  if (floor == INFINITY) return 0;
  if (target > reach + fabs(reach) * ROOM + room) return 0;
  double unit = 1 / (queries->scales[q] * span->bounds->scale);
  double limit = target * unit, spread = unit * largest;
  limit -= ROOM * (fabs(limit) + spread) + unit * rounding;
  int is_small = unit < 1 / LARGEST_LIMIT && spread > 0;
  if (fabs(limit) < LARGEST_LIMIT && unit < LARGEST_LIMIT && spread < LARGEST_LIMIT && !is_small) {
    limits->limits[i] = (float)limit;
    limits->units[i] = (float)unit;
  } else {
    limits->limits[i] = -INFINITY;
  }
  return 1;
}

int set_limits(block_limits* limits, const search_call* call, const coded_queries* queries,
               int64_t first_query, const code_span* span, int64_t first, int64_t count,
               shared_floor* floors) {
  point_to_offsets(limits, call, span, first_query + first);
  extremes offsets = {0, 0};
  int any = 0;
  for (int64_t i = 0; i < count; i++) {
    int64_t q = first + i;
    if (i == 0 || limits->offsets_stride)
      offsets = prepare_offsets(limits, call, span, first_query + q, i);
    limits->largest_offset[i] = offsets.magnitude;
    float zeros = (float)queries->zeros[q];
    limits->margins[i] =
        (queries->code_lengths[q] * (float)span->bounds->rounding + fabsf(zeros) * (float)ROOM) *
            (1 + (float)ROOM) -
        zeros;
    any |= set_limit(limits, queries, span, q, i, read_floor(&floors[q]), (double)offsets.largest);
  }
  return any;
}

candidate candidate_of(const block_limits* limits, const coded_queries* queries,
                       const code_span* span, int64_t q, scan_hit hit) {
  double scale = queries->scales[q] * span->bounds->scale / (double)span->codes.inverses[hit.item];
  double product = scale * (double)(hit.sum - queries->zeros[q]);
  double shift = queries->shifts[q], offset = 0, room = 0;
  if (limits->offsets) {
    offset = (double)limits->offsets[hit.query * limits->offsets_stride + hit.item];
    room = ROOM * (double)limits->largest_offset[hit.query] + FLT_MIN;
  }
  double margin = scale * (double)queries->code_lengths[q] * span->bounds->rounding +
                  queries->errors[q] * span->bounds->norm + room +
                  queries->slack * (fabs(product) + fabs(shift));
  return (candidate){
      .estimate = product + shift + offset,
      .margin = (float)(margin * (1 + ROOM)) + FLT_MIN,
      .position = (uint32_t)(span->first + hit.item),
  };
}
