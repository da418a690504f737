// Changes of the store, and copies out of it. Arguments were checked: ids are new, or known, and
// distinct.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "store.h"

int append_items(item_store* items, const id_table* table, const int64_t* ids, const float* vectors,
                 int64_t count) {
  float* scratch = malloc((size_t)items->dim * sizeof(float));
  if (!scratch) return OUT_OF_MEMORY;
  int64_t first = items->num_items, end = first + count;
  for (int64_t i = 0; i < count; i++)
    chunk_of(items, first + i)->ids[place_in_chunk(items, first + i)] = ids[i];
  for (int64_t begin = first, next; begin < end; begin = next) {
    next = begin - begin % STRIP + STRIP < end ? begin - begin % STRIP + STRIP : end;
    memcpy((float*)vector_at(items, begin), vectors + (begin - first) * items->dim,
           (size_t)((next - begin) * items->dim) * sizeof(float));
    code_items(items, begin, next, scratch);
  }
  for (int64_t i = first; i < end; i++) table_insert(items, table, i);
  items->num_items = end;
  free(scratch);
  return 0;
}

int replace_vectors(const item_store* items, const int64_t* positions, const float* vectors,
                    int64_t count) {
  float* scratch = malloc((size_t)items->dim * sizeof(float));
  if (!scratch) return OUT_OF_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    memcpy((float*)vector_at(items, positions[i]), vectors + i * items->dim,
           (size_t)items->dim * sizeof(float));
    recode_item(items, positions[i], scratch);
  }
  free(scratch);
  return 0;
}

// The last item takes the place of the one removed. From the last position down, so that no item
// that moves is yet to be removed.
int remove_items(item_store* items, const id_table* table, const int64_t* descending,
                 int64_t count) {
  float* scratch = malloc((size_t)items->dim * sizeof(float));
  if (!scratch) return OUT_OF_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    int64_t hole = descending[i], last = items->num_items - 1;
    table_erase(items, table, hole);
    if (hole != last) {
      table_move(items, table, last, hole);
      memcpy((float*)vector_at(items, hole), vector_at(items, last),
             (size_t)items->dim * sizeof(float));
      chunk_of(items, hole)->ids[place_in_chunk(items, hole)] = id_at(items, last);
      recode_item(items, hole, scratch);
    }
    chunk_of(items, last)->inverses[place_in_chunk(items, last)] = NAN;
    items->num_items = last;
  }
  free(scratch);
  return 0;
}

enum { COPY_AHEAD = 8 };  // rows that are fetched while one is copied: each is a cache miss or more

void copy_vectors(const item_store* items, const int64_t* positions, int64_t count,
                  float* vectors) {
  for (int64_t i = 0; i < count; i++) {
    if (i + COPY_AHEAD < count) prefetch_vector(items, positions[i + COPY_AHEAD]);
    memcpy(vectors + i * items->dim, vector_at(items, positions[i]),
           (size_t)items->dim * sizeof(float));
  }
}
