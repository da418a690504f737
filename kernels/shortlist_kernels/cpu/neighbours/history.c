// What a history says of other items: weighted sums of rows of a neighbourhood matrix.
#include <math.h>
#include <stdlib.h>

#include "accumulator.h"
#include "filter.h"
#include "select.h"

// Whether row r can be read: the matrix may come from a file that was damaged.
static int is_sound(const csr_matrix* matrix, int64_t r) {
  int64_t start = matrix->indptr[r], end = matrix->indptr[r + 1];
  if (start < 0 || start > end || end > matrix->num_values) return 0;
  for (int64_t i = start; i < end; i++)
    if (matrix->indices[i] < 0 || matrix->indices[i] >= matrix->num_columns ||
        !isfinite(matrix->data[i]))
      return 0;
  return 1;
}

static int add_history(const csr_matrix* matrix, const history_set* history, int64_t query,
                       accumulator* sums, int64_t* bad_row) {
  for (int64_t i = history->indptr[query]; i < history->indptr[query + 1]; i++) {
    int64_t r = history->rows[i];
    if (!is_sound(matrix, r)) {
      *bad_row = r;
      return BAD_ROW;
    }
    int64_t start = matrix->indptr[r];
    accumulator_add(sums, history->weights[i], matrix->indices + start, matrix->data + start,
                    matrix->indptr[r + 1] - start);
  }
  return 0;
}

int score_neighbours(const csr_matrix* matrix, const history_set* history,
                     const int64_t* candidates, int64_t num_candidates, float* scores,
                     int64_t* bad_row) {
  accumulator sums;
  int result = accumulator_create(&sums, matrix->num_columns);
  for (int64_t q = 0; q < history->num_queries && result == 0; q++) {
    result = add_history(matrix, history, q, &sums, bad_row);
    for (int64_t m = q * num_candidates; m < (q + 1) * num_candidates; m++)
      if (candidates[m] >= 0) scores[m] = (float)sums.sums[candidates[m]];
    accumulator_clear(&sums);
  }
  accumulator_release(&sums);
  return result;
}

static void select_columns(const accumulator* sums, const filter_set* filters, int64_t query,
                           best_list* best) {
  const uint8_t* mask = mask_of(filters, query);
  position_list exclude = list_of(&filters->exclude, query);
  best->size = 0;
  for (int64_t i = 0; i < sums->num_touched; i++) {
    int32_t column = sums->touched[i];
    scored entry = {(float)sums->sums[column], column};
    if (sums->sums[column] == 0.0 || !best_admits(best, entry)) continue;
    if (mask_allows(mask, column) && !list_holds(exclude, column)) best_take(best, entry);
  }
  best_sort(best);
}

int search_neighbours(const csr_matrix* matrix, const history_set* history, int64_t k,
                      const filter_set* filters, float* scores, int64_t* ids, int64_t* bad_row) {
  accumulator sums;
  int result = accumulator_create(&sums, matrix->num_columns);
  int64_t capacity = k < matrix->num_columns ? k : matrix->num_columns;
  scored* entries = malloc((size_t)(capacity + 1) * sizeof(scored));
  if (!entries) result = OUT_OF_MEMORY;
  for (int64_t q = 0; q < history->num_queries && result == 0; q++) {
    best_list best = {entries, 0, capacity};
    result = add_history(matrix, history, q, &sums, bad_row);
    select_columns(&sums, filters, q, &best);
    for (int64_t i = 0; i < best.size; i++) {
      scores[q * k + i] = (float)best.entries[i].score;
      ids[q * k + i] = best.entries[i].id;
    }
    accumulator_clear(&sums);
  }
  accumulator_release(&sums);
  free(entries);
  return result;
}
