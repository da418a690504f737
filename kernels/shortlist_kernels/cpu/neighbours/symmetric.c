// The neighbours of all rows of a matrix, each pair computed once: a row meets only those after it,
// and what it finds enters the lists of both. Threads have lists of their own, joined at the end;
// the best k of all that was offered are the same however it was shared out.
//
// Rows are taken from the longest to the shortest. Those are most often met, so that their sums
// stay in the cache, and most often similar, so that lists have high floors early. A place is a
// row's position in that order; sums, floors and lists go by place.
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

// The matrix by column, rows by place.
typedef struct {
  int64_t* starts;  // by size, for sorting; then where the next entry of a column goes
  int64_t* order;   // the row at each place
  int64_t* places;  // the place of each row
  double* norms;    // by place
  int32_t* rows;    // of the entries of the columns: places, ascending
  float* values;
  int64_t* later;  // for each entry of the matrix, where those of later places begin
} ordered_rows;

typedef struct {
  const csr_matrix* matrix;
  const compared_rows* compared;
  const similarity_measure* measure;
  const ordered_rows* ordered;
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
  return work >= num_rows * num_rows / DENSE_SHARE;
}

static int reaches(const workspace* work, const divisor* by, double own_floor, int64_t other) {
  double floor = own_floor < work->floors[other] ? own_floor : work->floors[other];
  return work->sums[other] >= floor * divide_by(by, other);
}

static void take_pair(workspace* work, const divisor* by, const int64_t* order, int64_t place,
                      int64_t other) {
  if (work->sums[other] == 0.0) return;
  float similarity = (float)(work->sums[other] / divide_by(by, other));
  nearest_take(&work->lists[place], similarity, (int32_t)order[other]);
  nearest_take(&work->lists[other], similarity, (int32_t)order[place]);
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

static void take_run(workspace* work, const divisor* by, const int64_t* order, int64_t place,
                     int64_t first, int64_t end) {
  double own_floor = work->lists[place].floor;
  if (!any_reaches(work, by, own_floor, first, end)) return;
  for (int64_t i = first; i < end; i++)
    if (reaches(work, by, own_floor, i)) take_pair(work, by, order, place, i);
}

static void meet_later_rows(const symmetric_call* call, int64_t place, workspace* work) {
  const csr_matrix* matrix = call->matrix;
  const ordered_rows* ordered = call->ordered;
  const int64_t* ends = call->compared->by_column.indptr + 1;
  int64_t num_rows = matrix->num_rows, row = ordered->order[place];
  for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++) {
    int64_t start = ordered->later[i];
    add_column(work->sums, matrix->data[i], ordered->rows + start, ordered->values + start,
               ends[matrix->indices[i]] - start);
  }
  const double* norms = ordered->norms;
  divisor by = call->measure->kind == DOT_PRODUCT
                   ? (divisor){0.0, 1.0, norms}
                   : (divisor){norms[place], call->measure->shrinkage, norms};
  for (int64_t first = place + 1; first < num_rows; first += RUN_LENGTH) {
    int64_t end = first + RUN_LENGTH < num_rows ? first + RUN_LENGTH : num_rows;
    take_run(work, &by, ordered->order, place, first, end);
  }
  memset(work->sums + place, 0, (size_t)(num_rows - place) * sizeof(double));
}

// Tasks take every num_tasks-th place, as early ones meet the most others.
static void meet_rows(void* context, int64_t thread, int64_t task) {
  const symmetric_call* call = context;
  for (int64_t place = task; place < call->matrix->num_rows; place += call->num_tasks)
    meet_later_rows(call, place, &call->workspaces[thread]);
}

static void join_lists(const symmetric_call* call, int64_t row, nearest_list* all) {
  all->count = 0;
  for (int64_t t = 0; t < call->num_threads; t++) {
    nearest_list list = call->workspaces[t].lists[call->ordered->places[row]];
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

static int allocate(ordered_rows* ordered, const csr_matrix* matrix) {
  size_t num_rows = (size_t)matrix->num_rows + 1, num_values = (size_t)matrix->num_values + 1;
  size_t most = (size_t)matrix->num_columns + 1;
  ordered->starts = calloc(most, sizeof(int64_t));
  ordered->order = malloc(num_rows * sizeof(int64_t));
  ordered->places = malloc(num_rows * sizeof(int64_t));
  ordered->norms = malloc(num_rows * sizeof(double));
  ordered->rows = malloc(num_values * sizeof(int32_t));
  ordered->values = malloc(num_values * sizeof(float));
  ordered->later = malloc(num_values * sizeof(int64_t));
  return ordered->starts && ordered->order && ordered->places && ordered->norms && ordered->rows &&
                 ordered->values && ordered->later
             ? 0
             : OUT_OF_MEMORY;
}

static void release_ordered(ordered_rows* ordered) {
  free(ordered->starts);
  free(ordered->order);
  free(ordered->places);
  free(ordered->norms);
  free(ordered->rows);
  free(ordered->values);
  free(ordered->later);
}

// By counting; no row is longer than there are columns.
static void sort_rows(ordered_rows* ordered, const csr_matrix* matrix, const double* norms) {
  int64_t* starts = ordered->starts;
  const int64_t* indptr = matrix->indptr;
  for (int64_t row = 0; row < matrix->num_rows; row++) starts[indptr[row + 1] - indptr[row]]++;
  int64_t before = 0;
  for (int64_t size = matrix->num_columns; size >= 0; size--) {
    int64_t count = starts[size];
    starts[size] = before;
    before += count;
  }
  for (int64_t row = 0; row < matrix->num_rows; row++) {
    int64_t place = starts[indptr[row + 1] - indptr[row]]++;
    ordered->order[place] = row;
    ordered->places[row] = place;
    ordered->norms[place] = norms[row];
  }
}

static void fill_columns(ordered_rows* ordered, const csr_matrix* matrix,
                         const csr_matrix* by_column) {
  memcpy(ordered->starts, by_column->indptr, (size_t)matrix->num_columns * sizeof(int64_t));
  for (int64_t place = 0; place < matrix->num_rows; place++) {
    int64_t row = ordered->order[place];
    for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++) {
      int64_t entry = ordered->starts[matrix->indices[i]]++;
      ordered->rows[entry] = (int32_t)place;
      ordered->values[entry] = matrix->data[i];
      ordered->later[i] = entry + 1;
    }
  }
}

int symmetric_rows(const csr_matrix* matrix, const compared_rows* compared, int64_t k,
                   const similarity_measure* measure, int64_t num_threads, int64_t* counts,
                   neighbour_blocks* found) {
  workspace workspaces[MAX_THREADS] = {0};
  ordered_rows ordered;
  symmetric_call call = {.matrix = matrix,
                         .compared = compared,
                         .measure = measure,
                         .ordered = &ordered,
                         .num_threads = num_threads,
                         .num_tasks = found->num_blocks,
                         .workspaces = workspaces,
                         .counts = counts,
                         .blocks = found->blocks,
                         .has_failed = allocate(&ordered, matrix) != 0};
  for (int64_t i = 0; i < num_threads; i++)
    if (create(&workspaces[i], k, matrix->num_rows, num_threads)) call.has_failed = 1;
  if (!call.has_failed) {
    sort_rows(&ordered, matrix, compared->norms);
    fill_columns(&ordered, matrix, &compared->by_column);
    run_tasks(num_threads, call.num_tasks, meet_rows, &call);
    run_tasks(num_threads, call.num_tasks, write_rows, &call);
  }
  for (int64_t i = 0; i < num_threads; i++) release(&workspaces[i]);
  release_ordered(&ordered);
  return call.has_failed ? OUT_OF_MEMORY : 0;
}
