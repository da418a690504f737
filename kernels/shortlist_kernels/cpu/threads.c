#include "threads.h"

#include <pthread.h>

typedef struct {
  pthread_t thread;
  int started;
  int64_t part;
  void (*work)(void*, int64_t);
  void* context;
} part_run;

static void* run_one(void* argument) {
  part_run* run = argument;
  run->work(run->context, run->part);
  return 0;
}

void run_parts(int64_t num_parts, void (*work)(void*, int64_t), void* context) {
  part_run runs[MAX_PARTS];
  for (int64_t part = 1; part < num_parts; part++) {
    runs[part] = (part_run){.part = part, .work = work, .context = context};
    runs[part].started = pthread_create(&runs[part].thread, 0, run_one, &runs[part]) == 0;
  }
  work(context, 0);
  for (int64_t part = 1; part < num_parts; part++) {
    if (runs[part].started)
      pthread_join(runs[part].thread, 0);
    else
      work(context, part);
  }
}
