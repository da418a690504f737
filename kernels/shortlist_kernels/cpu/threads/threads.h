// Runs the tasks of one call side by side on the threads of this process.
#ifndef SHORTLIST_THREADS_H
#define SHORTLIST_THREADS_H

#include <stdint.h>

enum { MAX_THREADS = 64 };

// Calls work(context, thread, task) once for each task from 0 to num_tasks - 1, on at most
// num_threads threads, the caller's among them, and returns when all are done. `thread` is below
// num_threads and MAX_THREADS, and no two calls of `work` with the same `thread` overlap. Threads
// take the next task when they are free. The workers stay for the next call; a call that finds none
// free does more itself. May be called from several threads at once, and in the child of a fork.
void run_tasks(int64_t num_threads, int64_t num_tasks,
               void (*work)(void* context, int64_t thread, int64_t task), void* context);

#endif
