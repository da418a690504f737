#include <stdlib.h>

#include "kernels.h"
#include "select.h"

enum { CHUNK = 256 };

static void offer_chunk(best_list* best, const double* values, int64_t count, int64_t first) {
  for (int64_t i = 0; i < count; i++) {
    scored entry = {values[i], first + i};
    if (values[i] == values[i] && best_admits(best, entry)) best_take(best, entry);
  }
}

static void write_positions(best_list* best, int64_t* positions) {
  best_sort(best);
  for (int64_t i = 0; i < best->size; i++) positions[i] = best->entries[i].id;
}

int topk_float32(const float* scores, int64_t num_rows, int64_t num_columns, int64_t k,
                 int64_t* positions) {
  int64_t capacity = k < num_columns ? k : num_columns;
  scored* entries = malloc((size_t)(capacity + 1) * sizeof(scored));
  if (!entries) return OUT_OF_MEMORY;
  for (int64_t r = 0; r < num_rows; r++) {
    const float* row = scores + r * num_columns;
    best_list best = {entries, 0, capacity};
    for (int64_t first = 0; first < num_columns; first += CHUNK) {
      double values[CHUNK];
      int64_t count = num_columns - first < CHUNK ? num_columns - first : CHUNK;
      for (int64_t i = 0; i < count; i++) values[i] = row[first + i];
      offer_chunk(&best, values, count, first);
    }
    write_positions(&best, positions + r * k);
    int64_t place = best.size;
    for (int64_t i = 0; i < num_columns && place < capacity; i++)
      if (row[i] != row[i]) positions[r * k + place++] = i;
  }
  free(entries);
  return 0;
}

int topk_float64(const double* scores, int64_t num_rows, int64_t num_columns, int64_t k,
                 int64_t* positions) {
  int64_t capacity = k < num_columns ? k : num_columns;
  scored* entries = malloc((size_t)(capacity + 1) * sizeof(scored));
  if (!entries) return OUT_OF_MEMORY;
  for (int64_t r = 0; r < num_rows; r++) {
    const double* row = scores + r * num_columns;
    best_list best = {entries, 0, capacity};
    offer_chunk(&best, row, num_columns, 0);
    write_positions(&best, positions + r * k);
    int64_t place = best.size;
    for (int64_t i = 0; i < num_columns && place < capacity; i++)
      if (row[i] != row[i]) positions[r * k + place++] = i;
  }
  free(entries);
  return 0;
}
