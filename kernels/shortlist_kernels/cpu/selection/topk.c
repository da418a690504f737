// Threads share the rows, or the parts of each row where there are fewer rows than threads.
// Candidates stay in the order of their positions until a stable sort, which so breaks the ties.
#include <math.h>
#include <stdlib.h>

#include "collect.h"
#include "cores.h"
#include "threads.h"

enum {
  WORK_PER_THREAD = 1 << 21,  // values; for less, about 200 us, it does not pay to wake one
  SORTING_WORK = 128,         // as many values pass in the time that it takes to sort one
  TASKS_PER_THREAD = 4,
  SORTED_WHOLE = 32,  // entries that it does not pay to cut to k before they are sorted
};

typedef struct {
  collector collector;
  int64_t k;
  void* values;
  int64_t* positions;
  collection* collections;  // one per thread, or one per part of a row
  int64_t num_tasks;        // that share the rows
  int64_t num_parts;        // of the row that is shared
  int64_t row;
  uint64_t limit;  // of that row
} topk_call;

static int64_t best_num_threads(const collector* collector) {
  const score_matrix* scores = collector->scores;
  int64_t per_row = scores->num_columns + collector->wanted * SORTING_WORK;
  int64_t useful = scores->num_rows * per_row / WORK_PER_THREAD;
  if (useful < 2) return 1;
  int64_t cores = available_cores();
  return cores < useful ? cores : useful;
}

static void keep_wanted(const collector* collector, collection* found) {
  if (found->count <= collector->wanted) return;
  keep_largest(found->entries, found->count, collector->wanted, (uint64_t*)found->scratch);
  found->count = collector->wanted;
}

static int64_t add_nans(const score_matrix* scores, int64_t row, int64_t count, int64_t wanted,
                        int64_t* positions) {
  for (int64_t i = 0; i < scores->num_columns && count < wanted; i++) {
    int64_t place = row * scores->num_columns + i;
    int is_nan = scores->float32 ? isnan(scores->float32[place]) : isnan(scores->float64[place]);
    if (is_nan) positions[count++] = i;
  }
  return count;
}

static void write_values(const topk_call* call, int64_t row, const int64_t* positions) {
  const score_matrix* scores = call->collector.scores;
  int64_t before = row * scores->num_columns, out = row * call->k;
  for (int64_t i = 0; i < call->k; i++) {
    if (scores->float32)
      ((float*)call->values)[out + i] =
          positions[i] < 0 ? -INFINITY : scores->float32[before + positions[i]];
    else
      ((double*)call->values)[out + i] =
          positions[i] < 0 ? -INFINITY : scores->float64[before + positions[i]];
  }
}

static void write_row(const topk_call* call, int64_t row, collection* found) {
  int64_t* positions = call->positions + row * call->k;
  int64_t wanted = call->collector.wanted;
  if (found->count > SORTED_WHOLE && found->count > wanted + wanted / 2)
    keep_wanted(&call->collector, found);
  int64_t count = found->count;
  sort_keyed(found->entries, count, found->scratch);
  if (count > wanted) count = wanted;
  for (int64_t i = 0; i < count; i++) positions[i] = found->entries[i].position;
  count = add_nans(call->collector.scores, row, count, wanted, positions);
  for (int64_t i = count; i < call->k; i++) positions[i] = -1;
  write_values(call, row, positions);
}

static void select_rows(void* context, int64_t thread, int64_t task) {
  const topk_call* call = context;
  const collector* collector = &call->collector;
  collection* found = &call->collections[thread];
  int64_t num_rows = collector->scores->num_rows;
  int64_t end = (task + 1) * num_rows / call->num_tasks;
  for (int64_t row = task * num_rows / call->num_tasks; row < end; row++) {
    uint64_t limit = seed_limit(collector, row, found);
    collect(collector, row, 0, collector->scores->num_columns, limit, found);
    write_row(call, row, found);
  }
}

static void collect_part(void* context, int64_t thread, int64_t part) {
  const topk_call* call = context;
  const collector* collector = &call->collector;
  int64_t columns = collector->scores->num_columns;
  collection* found = &call->collections[part];
  (void)thread;
  collect(collector, call->row, part * columns / call->num_parts,
          (part + 1) * columns / call->num_parts, call->limit, found);
  keep_wanted(collector, found);
}

static void select_shared_rows(topk_call* call) {
  collection* all = &call->collections[0];
  for (int64_t row = 0; row < call->collector.scores->num_rows; row++) {
    call->row = row;
    call->limit = seed_limit(&call->collector, row, all);
    run_tasks(call->num_parts, call->num_parts, collect_part, call);
    for (int64_t part = 1; part < call->num_parts; part++) {
      const collection* found = &call->collections[part];
      memcpy(all->entries + all->count, found->entries, (size_t)found->count * sizeof(keyed));
      all->count += found->count;
      keep_wanted(&call->collector, all);
    }
    write_row(call, row, all);
  }
}

int topk(const simd_set* simd, const score_matrix* scores, int64_t k, int64_t num_threads,
         void* values, int64_t* positions) {
  if (k == 0 || scores->num_rows == 0) return 0;
  collector collector = make_collector(simd, scores, k);
  if (num_threads == 0) num_threads = best_num_threads(&collector);
  if (num_threads > MAX_THREADS) num_threads = MAX_THREADS;
  // A part that is not much longer than its collection would be collected whole.
  int64_t num_parts = scores->num_columns / (2 * collector.capacity + 1);
  if (num_parts > num_threads) num_parts = num_threads;
  int is_shared = scores->num_rows < num_threads && num_parts > 1;
  if (num_threads > scores->num_rows) num_threads = scores->num_rows;
  int64_t num_collections = is_shared ? num_parts : num_threads;
  int64_t room = collection_room(&collector);
  keyed* memory = malloc((size_t)(2 * num_collections * room) * sizeof(keyed));
  if (!memory) return OUT_OF_MEMORY;
  collection collections[MAX_THREADS];
  for (int64_t i = 0; i < num_collections; i++)
    collections[i] = (collection){memory + 2 * i * room, memory + (2 * i + 1) * room, 0};
  topk_call call = {.collector = collector,
                    .k = k,
                    .values = values,
                    .positions = positions,
                    .num_parts = num_parts,
                    .num_tasks = num_threads,
                    .collections = collections};
  if (is_shared) {
    select_shared_rows(&call);
  } else {
    if (num_threads > 1) call.num_tasks *= TASKS_PER_THREAD;
    if (call.num_tasks > scores->num_rows) call.num_tasks = scores->num_rows;
    run_tasks(num_threads, call.num_tasks, select_rows, &call);
  }
  free(memory);
  return 0;
}
