#include "select.h"

static void sift_down(scored* entries, int64_t size, int64_t hole, scored entry) {
  for (;;) {
    int64_t child = 2 * hole + 1;
    if (child >= size) break;
    if (child + 1 < size && precedes(entries[child], entries[child + 1])) child++;
    if (!precedes(entry, entries[child])) break;
    entries[hole] = entries[child];
    hole = child;
  }
  entries[hole] = entry;
}

void best_take(best_list* best, scored entry) {
  if (best->size == best->capacity) {
    sift_down(best->entries, best->size, 0, entry);
    return;
  }
  int64_t hole = best->size++;
  while (hole > 0) {
    int64_t parent = (hole - 1) / 2;
    if (!precedes(best->entries[parent], entry)) break;
    best->entries[hole] = best->entries[parent];
    hole = parent;
  }
  best->entries[hole] = entry;
}

void best_sort(best_list* best) {
  for (int64_t last = best->size - 1; last > 0; last--) {
    scored worst = best->entries[0];
    sift_down(best->entries, last, 0, best->entries[last]);
    best->entries[last] = worst;
  }
}
