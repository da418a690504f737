#include "queries.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "vectors.h"

enum { CODE_ALIGNMENT = 64 };

// Room for the float64 roundings of the bounds themselves, and of what they are converted to.
static const double ROUNDED_UP = 1 + 0x1p-20;

static int64_t stride_of(int64_t dim) {
  return (dim + CODE_ALIGNMENT - 1) / CODE_ALIGNMENT * CODE_ALIGNMENT;
}

int64_t coded_query_bytes(int64_t dim) {
  return padded_dim(dim) * (int64_t)sizeof(double) + stride_of(dim) + 64;
}

int64_t code_padding_bytes(int64_t dim) { return QUERY_BLOCK * stride_of(dim); }

int create_queries(coded_queries* queries, int64_t capacity, int64_t dim) {
  size_t count = (size_t)capacity;
  size_t code_bytes = count * (size_t)stride_of(dim) + (size_t)code_padding_bytes(dim);
  *queries = (coded_queries){.stride = stride_of(dim)};
  queries->values = malloc(count * (size_t)padded_dim(dim) * sizeof(double));
  queries->norms = malloc(count * sizeof(double));
  queries->scales = malloc(count * sizeof(double));
  queries->lengths = malloc(count * sizeof(double));
  queries->shifts = malloc(count * sizeof(double));
  queries->codes = aligned_alloc(CODE_ALIGNMENT, code_bytes);
  queries->zeros = malloc(count * sizeof(int32_t));
  queries->code_lengths = malloc(count * sizeof(float));
  queries->errors = malloc(count * sizeof(double));
  if (!queries->values || !queries->norms || !queries->scales || !queries->lengths ||
      !queries->shifts || !queries->codes || !queries->zeros || !queries->code_lengths ||
      !queries->errors)
    return OUT_OF_MEMORY;
  memset(queries->codes, 0, code_bytes);
  return 0;
}

void release_queries(coded_queries* queries) {
  free(queries->values);
  free(queries->norms);
  free(queries->scales);
  free(queries->lengths);
  free(queries->shifts);
  free(queries->codes);
  free(queries->zeros);
  free(queries->code_lengths);
  free(queries->errors);
}

// The factor that makes a prepared query comparable with comparable_row.
static double factor_of(metric_kind metric, double norm) {
  if (metric == INNER_PRODUCT) return 1;
  if (metric == EUCLIDEAN) return 2;
  return norm != 0 ? 1 / norm : 0;
}

static void code_query(coded_queries* queries, int64_t q, metric_kind metric, int64_t dim,
                       int max_code) {
  const double* values = queries->values + q * padded_dim(dim);
  int8_t* codes = queries->codes + q * queries->stride;
  double factor = factor_of(metric, queries->norms[q]);
  double largest = 0, error = 0, length = 0, code_length = 0;
  for (int64_t d = 0; d < dim; d++) largest = fmax(largest, fabs(values[d] * factor));
  double scale = largest > 0 ? largest / max_code : 1;
  int32_t sum = 0;
  for (int64_t d = 0; d < dim; d++) {
    double value = values[d] * factor / scale;
    int32_t whole = (int32_t)(value + (value < 0 ? -0.5 : 0.5));
    double code = whole;
    codes[d] = (int8_t)whole;
    sum += whole;
    error += (value - code) * (value - code);
    length += value * value;
    code_length += code * code;
  }
  queries->scales[q] = scale;
  queries->zeros[q] = CODE_ZERO * sum;
  queries->lengths[q] = sqrt(length) * scale * ROUNDED_UP;
  queries->shifts[q] = metric == EUCLIDEAN ? -length * scale * scale / 4 : 0;
  queries->code_lengths[q] = (float)(sqrt(code_length) * ROUNDED_UP);
  queries->errors[q] = (sqrt(error) + queries->slack * sqrt(length)) * scale * ROUNDED_UP;
}

void code_queries(coded_queries* queries, metric_kind metric, int64_t dim, int max_code,
                  const float* vectors, int64_t count) {
  queries->count = count;
  queries->slack = (double)(dim + 16) * 0x1p-50;
  for (int64_t q = 0; q < count; q++) {
    double* values = queries->values + q * padded_dim(dim);
    queries->norms[q] = prepare_query(metric, vectors + q * dim, dim, values);
    code_query(queries, q, metric, dim, max_code);
  }
}
