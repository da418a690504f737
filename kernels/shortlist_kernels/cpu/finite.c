// Whether arrays are free of NaN and infinity, at the speed of reading them.
#include <stdatomic.h>

#include "kernels.h"
#include "threads.h"

enum { AT_ONCE = 32, PER_TASK = 1 << 16 };

typedef struct {
  const float* values;
  int64_t count;
  atomic_int is_refuted;
} finite_check;

// Zero times a finite value is zero, and NaN times any other: one sum tells of many values.
static int are_finite(const float* values, int64_t count) {
  float sums[AT_ONCE] = {0};
  int64_t i = 0;
  for (; i + AT_ONCE <= count; i += AT_ONCE)
    for (int lane = 0; lane < AT_ONCE; lane++) sums[lane] += values[i + lane] * 0.0F;
  for (; i < count; i++) sums[0] += values[i] * 0.0F;
  for (int lane = 1; lane < AT_ONCE; lane++) sums[0] += sums[lane];
  return sums[0] == 0.0F;
}

static void check_task(void* context, int64_t thread, int64_t task) {
  (void)thread;
  finite_check* check = context;
  int64_t first = task * PER_TASK, left = check->count - first;
  if (!are_finite(check->values + first, left < PER_TASK ? left : PER_TASK))
    atomic_store_explicit(&check->is_refuted, 1, memory_order_relaxed);
}

int all_finite(const float* values, int64_t count, int64_t num_threads) {
  finite_check check = {values, count, 0};
  run_tasks(num_threads, (count + PER_TASK - 1) / PER_TASK, check_task, &check);
  return !atomic_load_explicit(&check.is_refuted, memory_order_relaxed);
}
