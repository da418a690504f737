// The neighbours of all rows of a matrix, each pair computed once: a row meets only those after it,
// and what it finds enters the lists of both. Threads have lists of their own, joined at the end;
// the best k of all that was offered are the same however it was shared out.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "plain.h"
#include "threads.h"

enum {
  RUN_LENGTH = 64,           // sums that are compared before the one branch on the result
  DENSE_SHARE = 4,           // worth it where a row adds to a quarter of all rows or more
  MOST_LIST_BYTES = 1 << 26  // of all threads
};

typedef struct {
  double* sums;
  double* floors;       // of the lists, side by side
  nearest_list* lists;  // one per row, whose entries lie in `entries`
  uint64_t* entries;
  nearest_list all;  // a list with room for those of all threads
} workspace;

typedef struct {
  const csr_matrix* matrix;
  const compared_rows* compared;
  const similarity_measure* measure;
  const int64_t* later;  // for each entry, where those of later rows begin in its column
  int64_t num_threads, num_tasks;
  workspace* workspaces;
  int64_t* counts;
  neighbour_block* blocks;
  _Atomic int has_failed;
} symmetric_call;

int symmetric_fits(const compared_rows* compared, int64_t k, int64_t num_threads) {
  const csr_matrix* by_column = &compared->by_column;
  int64_t num_rows = by_column->num_columns, work = 0;
  if (k > num_rows) k = num_rows;
  if (num_threads * num_rows > MOST_LIST_BYTES / (nearest_room(k) * (int64_t)sizeof(uint64_t)))
    return 0;
  for (int64_t c = 0; c < by_column->num_rows; c++) {
    int64_t count = by_column->indptr[c + 1] - by_column->indptr[c];
    work += count * count;
  }
  return work / DENSE_SHARE >= num_rows * num_rows / (DENSE_SHARE * DENSE_SHARE);
}

static int reaches(const workspace* work, const divisor* by, double own_floor, int64_t other) {
  double floor = own_floor < work->floors[other] ? own_floor : work->floors[other];
  return work->sums[other] >= floor * divide_by(by, other);
}

static void take_pair(workspace* work, const divisor* by, int64_t row, int64_t other) {
  if (work->sums[other] == 0.0) return;
  float similarity = (float)(work->sums[other] / divide_by(by, other));
  nearest_take(&work->lists[row], similarity, (int32_t)other);
  nearest_take(&work->lists[other], similarity, (int32_t)row);
  work->floors[other] = work->lists[other].floor;
}

// Written so that compilers compare several sums at once.
static int64_t any_reaches(const workspace* work, const divisor* by, double own_floor,
                           int64_t first, int64_t end) {
  const double *sums = work->sums, *floors = work->floors, *norms = by->norms;
  double norm = by->norm, shrinkage = by->shrinkage;
  int64_t any = 0;
  for (int64_t i = first; i < end; i++) {
    double floor = own_floor < floors[i] ? own_floor : floors[i];
    any |= sums[i] >= floor * (norm * norms[i] + shrinkage) ? -1 : 0;
  }
  return any;
}

static void take_run(workspace* work, const divisor* by, int64_t row, int64_t first, int64_t end) {
  double own_floor = work->lists[row].floor;
  if (!any_reaches(work, by, own_floor, first, end)) return;
  for (int64_t i = first; i < end; i++)
    if (reaches(work, by, own_floor, i)) take_pair(work, by, row, i);
}

static void meet_later_rows(const symmetric_call* call, int64_t row, workspace* work) {
  const csr_matrix *matrix = call->matrix, *by_column = &call->compared->by_column;
  int64_t num_rows = matrix->num_rows;
  for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++) {
    int64_t start = call->later[i];
    add_column(work->sums, matrix->data[i], by_column->indices + start, by_column->data + start,
               by_column->indptr[matrix->indices[i] + 1] - start);
  }
  const double* norms = call->compared->norms;
  divisor by = call->measure->kind == DOT_PRODUCT
                   ? (divisor){0.0, 1.0, norms}
                   : (divisor){norms[row], call->measure->shrinkage, norms};
  for (int64_t first = row + 1; first < num_rows; first += RUN_LENGTH) {
    int64_t end = first + RUN_LENGTH < num_rows ? first + RUN_LENGTH : num_rows;
    take_run(work, &by, row, first, end);
  }
  memset(work->sums + row, 0, (size_t)(num_rows - row) * sizeof(double));
}

// Tasks take every num_tasks-th row, as early ones meet the most others.
static void meet_rows(void* context, int64_t thread, int64_t task) {
  const symmetric_call* call = context;
  for (int64_t row = task; row < call->matrix->num_rows; row += call->num_tasks)
    meet_later_rows(call, row, &call->workspaces[thread]);
}

static void join_lists(const symmetric_call* call, int64_t row, nearest_list* all) {
  all->count = 0;
  for (int64_t t = 0; t < call->num_threads; t++) {
    nearest_list list = call->workspaces[t].lists[row];
    list.scratch = all->scratch;
    nearest_cut(&list);
    memcpy(all->entries + all->count, list.entries, (size_t)list.count * sizeof(uint64_t));
    all->count += list.count;
  }
  nearest_cut(all);
}

static void write_rows(void* context, int64_t thread, int64_t task) {
  symmetric_call* call = context;
  nearest_list* all = &call->workspaces[thread].all;
  neighbour_block* block = &call->blocks[task];
  int64_t num_rows = call->matrix->num_rows, end = (task + 1) * num_rows / call->num_tasks;
  for (int64_t row = task * num_rows / call->num_tasks; row < end && !call->has_failed; row++) {
    join_lists(call, row, all);
    if (!blocks_reserve(block, all->count)) {
      call->has_failed = 1;
      return;
    }
    nearest_write(all, block->indices + block->count, block->data + block->count);
    block->count += call->counts[row] = all->count;
  }
}

static int create(workspace* work, int64_t k, int64_t num_rows, int64_t num_threads) {
  size_t length = (size_t)num_rows + 1;
  int result = nearest_create(&work->all, num_threads * (k < num_rows ? k : num_rows), INT64_MAX);
  work->all.k = k < num_rows ? k : num_rows;
  int64_t room = nearest_room(work->all.k);
  work->sums = calloc(length, sizeof(double));
  work->floors = malloc(length * sizeof(double));
  work->lists = malloc(length * sizeof(nearest_list));
  work->entries = malloc(length * (size_t)room * sizeof(uint64_t));
  if (result || !work->sums || !work->floors || !work->lists || !work->entries)
    return OUT_OF_MEMORY;
  for (int64_t row = 0; row < num_rows; row++) {
    nearest_list* list = &work->lists[row];
    *list = work->all;
    list->entries = work->entries + row * room;
    list->room = room;
    nearest_clear(list);
    work->floors[row] = list->floor;
  }
  return 0;
}

static void release(workspace* work) {
  nearest_release(&work->all);
  free(work->sums);
  free(work->floors);
  free(work->lists);
  free(work->entries);
}

// Rows come in ascending order, so that a column's entries are passed one after the other.
static int64_t* later_entries(const csr_matrix* matrix, const csr_matrix* by_column) {
  int64_t* next = malloc((size_t)(matrix->num_columns + 1) * sizeof(int64_t));
  int64_t* later = malloc((size_t)(matrix->num_values + 1) * sizeof(int64_t));
  if (next && later) {
    memcpy(next, by_column->indptr, (size_t)matrix->num_columns * sizeof(int64_t));
    for (int64_t i = 0; i < matrix->num_values; i++) later[i] = ++next[matrix->indices[i]];
  } else {
    free(later);
    later = NULL;
  }
  free(next);
  return later;
}

int symmetric_rows(const csr_matrix* matrix, const compared_rows* compared, int64_t k,
                   const similarity_measure* measure, int64_t num_threads, int64_t* counts,
                   neighbour_blocks* found) {
  workspace workspaces[MAX_THREADS] = {0};
  int64_t* later = later_entries(matrix, &compared->by_column);
  symmetric_call call = {.matrix = matrix,
                         .compared = compared,
                         .measure = measure,
                         .later = later,
                         .num_threads = num_threads,
                         .num_tasks = found->num_blocks,
                         .workspaces = workspaces,
                         .counts = counts,
                         .blocks = found->blocks,
                         .has_failed = !later};
  for (int64_t i = 0; i < num_threads; i++)
    if (create(&workspaces[i], k, matrix->num_rows, num_threads)) call.has_failed = 1;
  if (!call.has_failed) {
    run_tasks(num_threads, call.num_tasks, meet_rows, &call);
    run_tasks(num_threads, call.num_tasks, write_rows, &call);
  }
  for (int64_t i = 0; i < num_threads; i++) release(&workspaces[i]);
  free(later);
  return call.has_failed ? OUT_OF_MEMORY : 0;
}
