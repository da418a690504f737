/* How fast this machine reads memory: the bound on any scan. Each thread sums its part of an array,
 * fetching ahead. */

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE = 64, STEP = 256, WORDS = STEP / 8, MAX_THREADS = 256 };

typedef struct {
  const uint8_t* data;
  size_t num_bytes, ahead;
  int passes;
  uint64_t sum;
} part;

static uint64_t sum_once(const part* work) {
  uint64_t lanes[WORDS] = {0};
  for (size_t at = 0; at + STEP <= work->num_bytes; at += STEP) {
    for (int line = 0; line < STEP / LINE; line++)
      __builtin_prefetch(work->data + at + work->ahead + (size_t)line * LINE);
    const uint64_t* words = (const uint64_t*)(work->data + at);
    for (int word = 0; word < WORDS; word++) lanes[word] += words[word];
  }
  uint64_t sum = 0;
  for (int word = 0; word < WORDS; word++) sum += lanes[word];
  return sum;
}

static void* read_part(void* argument) {
  part* work = argument;
  for (int pass = 0; pass < work->passes; pass++) work->sum += sum_once(work);
  return NULL;
}

/* Reads `num_bytes` at `data` (aligned to 8) `passes` times, shared by the threads; the sum keeps
 * it from being optimized away. Returns 0 where a thread could not start. */
int probe_read(const uint8_t* data, size_t num_bytes, size_t ahead, int passes, int num_threads,
               uint64_t* sum) {
  part parts[MAX_THREADS];
  pthread_t threads[MAX_THREADS];
  if (num_threads < 1 || num_threads > MAX_THREADS) return 0;
  size_t share = num_bytes / (size_t)num_threads / STEP * STEP;
  int started = 1;
  for (int t = 0; t < num_threads; t++) {
    size_t size = t + 1 < num_threads ? share : num_bytes - share * (size_t)t;
    parts[t] = (part){data + share * (size_t)t, size, ahead, passes, 0};
  }
  while (started < num_threads &&
         !pthread_create(&threads[started], NULL, read_part, &parts[started]))
    started++;
  read_part(&parts[0]);
  *sum = parts[0].sum;
  for (int t = 1; t < started; t++) {
    pthread_join(threads[t], NULL);
    *sum += parts[t].sum;
  }
  return started == num_threads;
}
