// Neighbours of rows one behind the other, in blocks that grow.
#include <stdlib.h>
#include <string.h>

#include "plain.h"

enum { LEAST_BLOCK_ROOM = 1024 };  // neighbours

int blocks_reserve(neighbour_block* block, int64_t count) {
  if (block->count + count <= block->room) return 1;
  int64_t room = 2 * (block->count + count) + LEAST_BLOCK_ROOM;
  int32_t* indices = realloc(block->indices, (size_t)room * sizeof(int32_t));
  if (indices) block->indices = indices;
  float* data = realloc(block->data, (size_t)room * sizeof(float));
  if (data) block->data = data;
  if (!indices || !data) return 0;
  block->room = room;
  return 1;
}

void join_blocks(const neighbour_blocks* found, int32_t* indices, float* data) {
  int64_t place = 0;
  for (int64_t i = 0; i < found->num_blocks; i++) {
    const neighbour_block* block = &found->blocks[i];
    if (block->count == 0) continue;
    memcpy(indices + place, block->indices, (size_t)block->count * sizeof(int32_t));
    memcpy(data + place, block->data, (size_t)block->count * sizeof(float));
    place += block->count;
  }
}

void release_blocks(neighbour_blocks* found) {
  for (int64_t i = 0; i < found->num_blocks; i++) {
    free(found->blocks[i].indices);
    free(found->blocks[i].data);
  }
  free(found->blocks);
}
