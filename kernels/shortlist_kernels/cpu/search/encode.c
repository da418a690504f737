// Turns rows into codes. README.md states the bound that the codes keep.
#include "encode.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "vectors.h"

enum { BLOCK = 16 };  // dimensions coded at once, with partial sums that the compiler can vectorise

// A strip's scale is at least this, so that no factor overflows float32.
static const double SMALLEST_SCALE = 0x1p-100;
// A row gets no finer codes than this share of its strip's scale.
static const double LARGEST_INVERSE = 0x1p20;
// Above the rounding errors of one value in float32, in units of the item's scale.
static const double ERROR_PER_VALUE = 0x1p-15;

static float largest_magnitude(const float* row, int64_t dim) {
  float largest[BLOCK] = {0};
  int64_t whole = dim - dim % BLOCK;
  for (int64_t d = 0; d < whole; d += BLOCK)
    for (int i = 0; i < BLOCK; i++) {
      float magnitude = fabsf(row[d + i]);
      largest[i] = magnitude > largest[i] ? magnitude : largest[i];
    }
  float result = 0;
  for (int i = 0; i < BLOCK; i++) result = largest[i] > result ? largest[i] : result;
  for (int64_t d = whole; d < dim; d++) result = fabsf(row[d]) > result ? fabsf(row[d]) : result;
  return result;
}

// Codes of one item, and the sums over dimensions of (error / scale)^2 and (value / scale)^2.
static void code_values(const float* row, int64_t dim, float factor, uint8_t* codes, float* errors,
                        float* squares) {
  float error_sums[BLOCK] = {0}, square_sums[BLOCK] = {0};
  for (int64_t d = 0; d < dim; d += BLOCK) {
    int64_t count = dim - d < BLOCK ? dim - d : BLOCK;
    float values[BLOCK] = {0};
    uint8_t block[BLOCK];
    memcpy(values, row + d, (size_t)count * sizeof(float));
    for (int i = 0; i < BLOCK; i++) {
      float value = values[i] * factor;
      int code = (int)(value + ((float)CODE_ZERO + 0.5f));
      float error = value - (float)(code - CODE_ZERO);
      block[i] = (uint8_t)code;
      error_sums[i] += error * error;
      square_sums[i] += value * value;
    }
    for (int64_t i = 0; i < count; i += QUAD) memcpy(codes + (d + i) * GROUP, block + i, QUAD);
  }
  for (int i = 1; i < BLOCK; i++) {
    error_sums[0] += error_sums[i];
    square_sums[0] += square_sums[i];
  }
  *errors = error_sums[0];
  *squares = square_sums[0];
}

static void raise_to(double* bound, double value) {
  if (value > *bound) *bound = value;
}

static void code_item(const item_store* items, int64_t position, const float* row) {
  const chunk* chunk = chunk_of(items, position);
  int64_t place = place_in_chunk(items, position);
  strip_bounds* bounds = &chunk->bounds[place / STRIP];
  double wanted = (double)largest_magnitude(row, items->dim) / LARGEST_CODE;
  double inverse = wanted > 0 ? bounds->scale / wanted : 1;
  if (inverse > LARGEST_INVERSE) inverse = LARGEST_INVERSE;
  chunk->inverses[place] = (float)inverse;
  double scale = bounds->scale / (double)chunk->inverses[place];
  uint8_t* group = chunk->codes + place / GROUP * GROUP * num_quads(items) * QUAD;
  float errors, squares;
  code_values(row, items->dim, (float)((double)chunk->inverses[place] / bounds->scale),
              group + place % GROUP * QUAD, &errors, &squares);
  double dim = (double)items->dim, rounding_of_sums = 1 + dim * 0x1p-22;
  double length = sqrt((double)squares) * rounding_of_sums + ERROR_PER_VALUE * sqrt(dim);
  raise_to(&bounds->rounding,
           sqrt((double)errors) * rounding_of_sums + ERROR_PER_VALUE * sqrt(dim));
  raise_to(&bounds->norm, length * scale * (1 + 0x1p-20));
  if (items->metric == EUCLIDEAN)
    chunk->offsets[place] = (float)fmax(-squared_norm(row, items->dim), -FLT_MAX);
}

void code_items(const item_store* items, int64_t begin, int64_t end, float* scratch) {
  const chunk* chunk = chunk_of(items, begin);
  strip_bounds* bounds = &chunk->bounds[place_in_chunk(items, begin) / STRIP];
  double scale = SMALLEST_SCALE;
  for (int64_t i = begin; i < end; i++) {
    const float* row = comparable_row(items->metric, vector_at(items, i), items->dim, scratch);
    raise_to(&scale, (double)largest_magnitude(row, items->dim) / LARGEST_CODE);
  }
  if (scale > bounds->scale) {
    bounds->scale = exp2(ceil(log2(scale)));
    if (bounds->scale < scale) bounds->scale *= 2;
    begin -= begin % STRIP;
  }
  for (int64_t i = begin; i < end; i++)
    code_item(items, i, comparable_row(items->metric, vector_at(items, i), items->dim, scratch));
}

void recode_item(const item_store* items, int64_t position, float* scratch) {
  const chunk* chunk = chunk_of(items, position);
  const strip_bounds* bounds = &chunk->bounds[place_in_chunk(items, position) / STRIP];
  const float* row = comparable_row(items->metric, vector_at(items, position), items->dim, scratch);
  if ((double)largest_magnitude(row, items->dim) / LARGEST_CODE <= bounds->scale) {
    code_item(items, position, row);
    return;
  }
  int64_t begin = position - position % STRIP, end = begin + STRIP;
  code_items(items, begin, end < items->num_items ? end : items->num_items, scratch);
}
