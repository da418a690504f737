// Row by row: how alike all rows are that share a column with it, then the k most similar.
//
// Cosine and the dot product need one sum per pair: it goes to a dense array, which is read whole
// where a row shares columns with many, and otherwise where it was touched. The other measures need
// the sums of overlap.h.
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "accumulator.h"
#include "nearest.h"
#include "overlap.h"
#include "plain.h"
#include "threads.h"

enum {
  RUN_LENGTH = 64,  // sums that are compared before the one branch on the result
  DENSE_SHARE = 4,  // a row that adds to a quarter of all rows or more is read whole
  TASKS_PER_THREAD = 32
};

typedef struct {
  accumulator sums;      // where one sum per pair is enough
  overlap_set overlaps;  // else
  nearest_list nearest;
} workspace;

typedef struct {
  const given_rows* given;
  const compared_rows* compared;
  const similarity_measure* measure;
  int is_plain;  // one sum per pair
  int64_t num_tasks;
  workspace* workspaces;
  int64_t* counts;  // of neighbours, one per given row
  neighbour_block* blocks;
  _Atomic int has_failed;
} similar_call;

static divisor divisor_of(const similar_call* call, int64_t row) {
  const double* norms = call->compared->norms;
  if (call->measure->kind == DOT_PRODUCT) return (divisor){0.0, 1.0, norms};
  return (divisor){total_of(call->given, row).norm, call->measure->shrinkage, norms};
}

static void take_sum(const divisor* by, const double* sums, int64_t other, nearest_list* nearest) {
  if (sums[other] != 0.0)
    nearest_take(nearest, (float)(sums[other] / divide_by(by, other)), (int32_t)other);
}

// Where a sum of 0 is compared with -infinity * 0 it fails, as it should.
static int reaches(const divisor* by, const double* sums, int64_t other, double floor) {
  return sums[other] >= floor * divide_by(by, other);
}

static void take_run(const divisor* by, const double* sums, int64_t first, int64_t end,
                     nearest_list* nearest) {
  int any = 0;
  for (int64_t i = first; i < end; i++) any |= reaches(by, sums, i, nearest->floor);
  if (!any) return;
  for (int64_t i = first; i < end; i++)
    if (reaches(by, sums, i, nearest->floor)) take_sum(by, sums, i, nearest);
}

// How many products a row has with others.
static int64_t work_of(const similar_call* call, int64_t row) {
  const csr_matrix* matrix = &call->given->matrix;
  const int64_t* indptr = call->compared->by_column.indptr;
  int64_t work = 0;
  for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++)
    work += indptr[matrix->indices[i] + 1] - indptr[matrix->indices[i]];
  return work;
}

static void find_dense(const similar_call* call, int64_t row, workspace* work) {
  const csr_matrix *matrix = &call->given->matrix, *by_column = &call->compared->by_column;
  int64_t num_others = by_column->num_columns, owner = call->given->owners[row];
  double* sums = work->sums.sums;
  for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++) {
    int64_t start = by_column->indptr[matrix->indices[i]];
    add_column(sums, matrix->data[i], by_column->indices + start, by_column->data + start,
               by_column->indptr[matrix->indices[i] + 1] - start);
  }
  if (owner >= 0) sums[owner] = 0.0;
  divisor by = divisor_of(call, row);
  for (int64_t first = 0; first < num_others; first += RUN_LENGTH) {
    int64_t end = first + RUN_LENGTH < num_others ? first + RUN_LENGTH : num_others;
    take_run(&by, sums, first, end, &work->nearest);
  }
  memset(sums, 0, (size_t)num_others * sizeof(double));
}

static void find_sparse(const similar_call* call, int64_t row, workspace* work) {
  const csr_matrix *matrix = &call->given->matrix, *by_column = &call->compared->by_column;
  accumulator* sums = &work->sums;
  for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++) {
    int64_t start = by_column->indptr[matrix->indices[i]];
    accumulator_add(sums, matrix->data[i], by_column->indices + start, by_column->data + start,
                    by_column->indptr[matrix->indices[i] + 1] - start);
  }
  divisor by = divisor_of(call, row);
  for (int64_t i = 0; i < sums->num_touched; i++)
    if (sums->touched[i] != call->given->owners[row])
      take_sum(&by, sums->sums, sums->touched[i], &work->nearest);
  accumulator_clear(sums);
}

static void find_by_overlap(const similar_call* call, int64_t row, workspace* work) {
  overlap_set* overlaps = &work->overlaps;
  row_total own = total_of(call->given, row);
  overlaps_add(overlaps, call->given, row, call->compared, call->measure->kind);
  for (int64_t i = 0; i < overlaps->num_touched; i++) {
    int32_t other = overlaps->touched[i];
    if (other == call->given->owners[row]) continue;
    int is_neighbour;
    double similarity = overlap_similarity(&overlaps->with[other], &own, call->compared, other,
                                           call->measure, &is_neighbour);
    if (is_neighbour) nearest_take(&work->nearest, (float)similarity, other);
  }
  overlaps_clear(overlaps);
}

static void find_rows(void* context, int64_t thread, int64_t task) {
  similar_call* call = context;
  workspace* work = &call->workspaces[thread];
  neighbour_block* block = &call->blocks[task];
  int64_t num_rows = call->given->matrix.num_rows,
          num_others = call->compared->by_column.num_columns;
  int64_t end = (task + 1) * num_rows / call->num_tasks;
  for (int64_t row = task * num_rows / call->num_tasks; row < end && !call->has_failed; row++) {
    nearest_clear(&work->nearest);
    if (!call->is_plain)
      find_by_overlap(call, row, work);
    else if (work_of(call, row) >= num_others / DENSE_SHARE)
      find_dense(call, row, work);
    else
      find_sparse(call, row, work);
    nearest_cut(&work->nearest);
    if (!blocks_reserve(block, work->nearest.count)) {
      call->has_failed = 1;
      return;
    }
    nearest_write(&work->nearest, block->indices + block->count, block->data + block->count);
    block->count += call->counts[row] = work->nearest.count;
  }
}

static int create(workspace* work, const similar_call* call, int64_t k) {
  int64_t num_others = call->compared->by_column.num_columns;
  int result = nearest_create(&work->nearest, k, num_others);
  int other = call->is_plain ? accumulator_create(&work->sums, num_others)
                             : overlaps_create(&work->overlaps, num_others);
  return result ? result : other;
}

static void release(workspace* work) {
  nearest_release(&work->nearest);
  accumulator_release(&work->sums);
  overlaps_release(&work->overlaps);
}

static int needs_one_sum(const similarity_measure* measure) {
  if (measure->min_overlap > 1.0) return 0;
  return measure->kind == WHOLE_COSINE ||
         (measure->kind == DOT_PRODUCT && measure->shrinkage == 0.0);
}

static void add_up(int64_t* indptr, int64_t num_rows) {
  indptr[0] = 0;
  for (int64_t row = 0; row < num_rows; row++) indptr[row + 1] += indptr[row];
}

int similar_rows(const given_rows* given, const compared_rows* compared, int64_t k,
                 const similarity_measure* measure, int64_t num_threads, int64_t* indptr,
                 neighbour_blocks* found) {
  int64_t num_rows = given->matrix.num_rows;
  if (num_threads > MAX_THREADS) num_threads = MAX_THREADS;
  int64_t num_tasks = num_threads > 1 ? num_threads * TASKS_PER_THREAD : 1;
  if (num_tasks > num_rows) num_tasks = num_rows;
  found->blocks = calloc((size_t)num_tasks + 1, sizeof(neighbour_block));
  found->num_blocks = found->blocks ? num_tasks : 0;
  if (found->blocks && given->is_whole && needs_one_sum(measure) &&
      symmetric_fits(compared, k, num_threads)) {
    int result =
        symmetric_rows(&given->matrix, compared, k, measure, num_threads, indptr + 1, found);
    add_up(indptr, result ? 0 : num_rows);
    return result;
  }
  workspace workspaces[MAX_THREADS] = {0};
  similar_call call = {.given = given,
                       .compared = compared,
                       .measure = measure,
                       .is_plain = needs_one_sum(measure),
                       .num_tasks = num_tasks,
                       .workspaces = workspaces,
                       .counts = indptr + 1,
                       .blocks = found->blocks,
                       .has_failed = !found->blocks};
  if (num_threads > num_tasks) num_threads = num_tasks;
  for (int64_t i = 0; i < num_threads; i++)
    if (create(&workspaces[i], &call, k)) call.has_failed = 1;
  if (!call.has_failed) run_tasks(num_threads, num_tasks, find_rows, &call);
  for (int64_t i = 0; i < num_threads; i++) release(&workspaces[i]);
  add_up(indptr, call.has_failed ? 0 : num_rows);
  return call.has_failed ? OUT_OF_MEMORY : 0;
}
