// Tasks that need room to work in, which each thread makes once.
#ifndef SHORTLIST_WORKERS_H
#define SHORTLIST_WORKERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  size_t bytes;  // of the room, zeros before `create`
  // 0 or OUT_OF_MEMORY; the room is released in both cases.
  int (*create)(void* room, const void* call);
  void (*release)(void* room);
  void (*run)(void* room, const void* call, int64_t task);
} worker;

// Runs each task from 0 to num_tasks - 1 once, as run_tasks does, with room that no other thread
// has; 0 or OUT_OF_MEMORY, and then no task has run.
int run_workers(const worker* kind, const void* call, int64_t num_threads, int64_t num_tasks);

#endif
