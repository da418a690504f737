// Ratings predicted from those of the most similar rows that have one, a row's pairs together.
#include <stdlib.h>

#include "overlap.h"
#include "select.h"
#include "workers.h"

typedef struct {
  double* similarities;  // of the row at hand with each row, 0 where it is no neighbour
  overlap_set overlaps;
  scored* entries;
} workspace;

typedef struct {
  const given_rows* given;
  const compared_rows* compared;
  const csr_matrix* alike;  // NULL: by `measure`
  const similarity_measure* measure;
  const rating_pairs* pairs;
  const rating_centres* centres;
  int64_t k, min_k;
  double* predictions;
} predict_call;

static void fill_from_overlaps(const predict_call* call, int64_t row, workspace* work) {
  row_total own = total_of(call->given, row);
  overlaps_add(&work->overlaps, call->given, row, call->compared, call->measure->kind);
  for (int64_t i = 0; i < work->overlaps.num_touched; i++) {
    int32_t other = work->overlaps.touched[i];
    int is_neighbour;
    work->similarities[other] = overlap_similarity(
        &work->overlaps.with[other], &own, call->compared, other, call->measure, &is_neighbour);
  }
}

static void clear_overlaps(workspace* work) {
  for (int64_t i = 0; i < work->overlaps.num_touched; i++)
    work->similarities[work->overlaps.touched[i]] = 0.0;
  overlaps_clear(&work->overlaps);
}

static void fill(const predict_call* call, int64_t row, workspace* work) {
  const csr_matrix* alike = call->alike;
  if (!alike)
    fill_from_overlaps(call, row, work);
  else
    for (int64_t i = alike->indptr[row]; i < alike->indptr[row + 1]; i++)
      work->similarities[alike->indices[i]] = alike->data[i];
  work->similarities[row] = 0.0;
}

static void clear(const predict_call* call, int64_t row, workspace* work) {
  const csr_matrix* alike = call->alike;
  if (!alike)
    clear_overlaps(work);
  else
    for (int64_t i = alike->indptr[row]; i < alike->indptr[row + 1]; i++)
      work->similarities[alike->indices[i]] = 0.0;
}

// The most similar of the rows with an entry in the column; an id is a place in the column.
static best_list nearest_raters(const predict_call* call, int64_t column, workspace* work) {
  const csr_matrix* by_column = &call->compared->by_column;
  best_list best = {work->entries, 0, call->k};
  for (int64_t i = by_column->indptr[column]; i < by_column->indptr[column + 1]; i++) {
    scored entry = {work->similarities[by_column->indices[i]], i};
    if (entry.score > 0.0 && best_admits(&best, entry)) best_take(&best, entry);
  }
  best_sort(&best);
  return best;
}

static double centre(const rating_centres* centres, int64_t row, int64_t column) {
  return centres->mean + centres->rows[row] + centres->columns[column];
}

static void predict(const predict_call* call, int64_t row, int64_t pair, workspace* work) {
  const csr_matrix* by_column = &call->compared->by_column;
  int64_t column = call->pairs->columns[pair];
  best_list best = nearest_raters(call, column, work);
  if (best.size < call->min_k) return;
  double above = 0.0, below = 0.0;
  for (int64_t i = 0; i < best.size; i++) {
    int64_t place = best.entries[i].id;
    double rating = by_column->data[place];
    above +=
        best.entries[i].score * (rating - centre(call->centres, by_column->indices[place], column));
    below += best.entries[i].score;
  }
  call->predictions[pair] = centre(call->centres, row, column) + above / below;
}

static void predict_row(void* room, const void* context, int64_t group) {
  const predict_call* call = context;
  workspace* work = room;
  int64_t row = call->pairs->rows[group];
  fill(call, row, work);
  for (int64_t pair = call->pairs->starts[group]; pair < call->pairs->starts[group + 1]; pair++)
    predict(call, row, pair, work);
  clear(call, row, work);
}

static int create(void* room, const void* context) {
  workspace* work = room;
  const predict_call* call = context;
  int64_t num_rows = call->compared->by_column.num_columns;
  int result = call->alike ? 0 : overlaps_create(&work->overlaps, num_rows);
  work->similarities = calloc((size_t)num_rows + 1, sizeof(double));
  work->entries = malloc((size_t)(call->k + 1) * sizeof(scored));
  return work->similarities && work->entries ? result : OUT_OF_MEMORY;
}

static void release(void* room) {
  workspace* work = room;
  overlaps_release(&work->overlaps);
  free(work->similarities);
  free(work->entries);
}

int predict_ratings(const given_rows* given, const compared_rows* compared, const csr_matrix* alike,
                    const similarity_measure* measure, const rating_pairs* pairs,
                    const rating_centres* centres, int64_t k, int64_t min_k, int64_t num_threads,
                    double* predictions) {
  static const worker rule = {sizeof(workspace), create, release, predict_row};
  int64_t num_rows = compared->by_column.num_columns;
  predict_call call = {.given = given,
                       .compared = compared,
                       .alike = alike,
                       .measure = measure,
                       .pairs = pairs,
                       .centres = centres,
                       .k = k < num_rows ? k : num_rows,
                       .min_k = min_k,
                       .predictions = predictions};
  return run_workers(&rule, &call, num_threads, pairs->num_groups);
}
