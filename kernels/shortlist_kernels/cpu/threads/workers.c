#include "workers.h"

#include <stdlib.h>

#include "kernels.h"
#include "threads.h"

typedef struct {
  const worker* kind;
  const void* call;
  char* rooms;  // one per thread
} worker_call;

static void* room_of(const worker_call* workers, int64_t thread) {
  return workers->rooms + (size_t)thread * workers->kind->bytes;
}

static void run_task(void* context, int64_t thread, int64_t task) {
  const worker_call* workers = context;
  workers->kind->run(room_of(workers, thread), workers->call, task);
}

int run_workers(const worker* kind, const void* call, int64_t num_threads, int64_t num_tasks) {
  if (num_threads > MAX_THREADS) num_threads = MAX_THREADS;
  if (num_threads > num_tasks) num_threads = num_tasks;
  if (num_tasks == 0) return 0;
  worker_call workers = {kind, call, calloc((size_t)num_threads, kind->bytes)};
  if (!workers.rooms) return OUT_OF_MEMORY;
  int result = 0;
  int64_t num_created = 0;
  while (num_created < num_threads && result == 0)
    result = kind->create(room_of(&workers, num_created++), call);
  if (result == 0) run_tasks(num_threads, num_tasks, run_task, &workers);
  for (int64_t thread = 0; thread < num_created; thread++) kind->release(room_of(&workers, thread));
  free(workers.rooms);
  return result;
}
