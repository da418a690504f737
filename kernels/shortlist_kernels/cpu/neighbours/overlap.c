#include "overlap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

int overlaps_create(overlap_set* overlaps, int64_t num_rows) {
  size_t length = (size_t)num_rows + 1;  // never a request for 0 bytes
  overlaps->with = calloc(length, sizeof(overlap));
  overlaps->touched = malloc(length * sizeof(int32_t));
  overlaps->num_touched = 0;
  return overlaps->with && overlaps->touched ? 0 : OUT_OF_MEMORY;
}

void overlaps_release(overlap_set* overlaps) {
  free(overlaps->with);
  free(overlaps->touched);
}

void overlaps_clear(overlap_set* overlaps) {
  for (int64_t i = 0; i < overlaps->num_touched; i++)
    overlaps->with[overlaps->touched[i]] = (overlap){0};
  overlaps->num_touched = 0;
}

// The rows with an entry in one column, and their values less `mean`.
typedef struct {
  const int32_t* rows;
  const float* values;
  int64_t count;
  double mean;
} column_entries;

static overlap* touch(overlap_set* overlaps, int32_t row) {
  overlap* shared = &overlaps->with[row];
  if (shared->count == 0.0) overlaps->touched[overlaps->num_touched++] = row;
  shared->count += 1.0;
  return shared;
}

static void add_products(overlap_set* overlaps, double own, const column_entries* column) {
  for (int64_t i = 0; i < column->count; i++)
    touch(overlaps, column->rows[i])->products += own * (double)column->values[i];
}

static void add_squares(overlap_set* overlaps, double own, const column_entries* column) {
  for (int64_t i = 0; i < column->count; i++) {
    overlap* shared = touch(overlaps, column->rows[i]);
    double value = (double)column->values[i] - column->mean;
    shared->products += own * value;
    shared->own_squares += own * own;
    shared->squares += value * value;
  }
}

static void add_moments(overlap_set* overlaps, double own, const column_entries* column) {
  for (int64_t i = 0; i < column->count; i++) {
    overlap* shared = touch(overlaps, column->rows[i]);
    double value = column->values[i];
    shared->products += own * value;
    shared->own_squares += own * own;
    shared->squares += value * value;
    shared->own_sum += own;
    shared->sum += value;
  }
}

static void add_differences(overlap_set* overlaps, double own, const column_entries* column) {
  for (int64_t i = 0; i < column->count; i++) {
    overlap* shared = touch(overlaps, column->rows[i]);
    double value = column->values[i];
    shared->products += (own - value) * (own - value);
    shared->own_squares += own * own;
    shared->squares += value * value;
  }
}

void overlaps_add(overlap_set* overlaps, const given_rows* given, int64_t row,
                  const compared_rows* compared, similarity_kind kind) {
  const csr_matrix* matrix = &given->matrix;
  for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++) {
    int32_t index = matrix->indices[i];
    int64_t start = compared->by_column.indptr[index];
    column_entries column = {compared->by_column.indices + start, compared->by_column.data + start,
                             compared->by_column.indptr[index + 1] - start, 0.0};
    double own = matrix->data[i];
    if (kind == ADJUSTED_COSINE) {
      column.mean = compared->column_means[index];
      own -= column.mean;
    }
    if (kind == CO_RATED_COSINE || kind == ADJUSTED_COSINE)
      add_squares(overlaps, own, &column);
    else if (kind == PEARSON_CORRELATION)
      add_moments(overlaps, own, &column);
    else if (kind == EUCLIDEAN_DISTANCE)
      add_differences(overlaps, own, &column);
    else
      add_products(overlaps, own, &column);
  }
}

row_total total_of(const given_rows* given, int64_t row) {
  const csr_matrix* matrix = &given->matrix;
  double squares = 0.0;
  for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++)
    squares += (double)matrix->data[i] * (double)matrix->data[i];
  return (row_total){(double)(matrix->indptr[row + 1] - matrix->indptr[row]), squares,
                     sqrt(squares)};
}

// n^2 times the variance; 0 where it cannot be told from 0.
static double variation(double count, double sum, double squares) {
  double value = count * squares - sum * sum;
  return value > count * count * DBL_EPSILON * squares ? value : 0.0;
}

static double rest(double whole, double shared) { return whole > shared ? whole - shared : 0.0; }

typedef struct {
  double above, below;
} fraction;

static fraction fraction_of(const overlap* shared, const row_total* own,
                            const compared_rows* compared, int64_t other,
                            const similarity_measure* measure) {
  switch (measure->kind) {
    case DOT_PRODUCT:
      return (fraction){shared->products, 1.0};
    case WHOLE_COSINE:
      return (fraction){shared->products, own->norm * compared->norms[other] + measure->shrinkage};
    case JACCARD_INDEX:
      return (fraction){shared->count, own->size + (double)compared->sizes[other] - shared->count};
    case EUCLIDEAN_DISTANCE: {
      double rests =
          rest(own->squares, shared->own_squares) + rest(compared->squares[other], shared->squares);
      return (fraction){1.0, 1.0 + sqrt(shared->products + rests)};
    }
    case PEARSON_CORRELATION: {
      double covariation = shared->count * shared->products - shared->own_sum * shared->sum;
      double own_variation = variation(shared->count, shared->own_sum, shared->own_squares);
      return (fraction){covariation, sqrt(own_variation *
                                          variation(shared->count, shared->sum, shared->squares))};
    }
    case CO_RATED_COSINE:
    case ADJUSTED_COSINE:
      break;
  }
  return (fraction){shared->products, sqrt(shared->own_squares * shared->squares)};
}

double overlap_similarity(const overlap* shared, const row_total* own,
                          const compared_rows* compared, int64_t other,
                          const similarity_measure* measure, int* is_neighbour) {
  *is_neighbour = 0;
  if (shared->count < measure->min_overlap) return 0.0;
  fraction parts = fraction_of(shared, own, compared, other, measure);
  if (parts.above == 0.0 || parts.below == 0.0) return 0.0;
  *is_neighbour = 1;
  double similarity = parts.above / parts.below;
  if (measure->kind == WHOLE_COSINE) return similarity;
  if (measure->kind == PEARSON_CORRELATION) similarity = fmin(fmax(similarity, -1.0), 1.0);
  return similarity * (shared->count / (shared->count + measure->shrinkage));
}
