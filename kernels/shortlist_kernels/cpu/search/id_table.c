// Linear probing over 32-bit positions. A table is given with any number of slots above the number
// of items; erasing shifts back, so there are no tombstones.
#include <string.h>

#include "store.h"
#include "threads.h"

enum { FIND_AT_ONCE = 64, FIND_PER_TASK = 1024 };

static const uint32_t EMPTY_SLOT = UINT32_MAX;

// Where the search for an id starts: its hash (Stafford's mix 13) scaled to the number of slots.
static int64_t home_of(int64_t id, int64_t num_slots) {
  uint64_t hash = (uint64_t)id;
  hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
  hash ^= hash >> 31;
  return (int64_t)(((hash >> 32) * (uint64_t)num_slots) >> 32);
}

static int64_t next_slot(int64_t slot, int64_t num_slots) {
  return slot + 1 < num_slots ? slot + 1 : 0;
}

void table_insert(const item_store* items, const id_table* table, int64_t position) {
  int64_t slot = home_of(id_at(items, position), table->num_slots);
  while (table->slots[slot] != EMPTY_SLOT) slot = next_slot(slot, table->num_slots);
  table->slots[slot] = (uint32_t)position;
}

// Moves back whatever would no longer be found behind the hole.
static void close_hole(const item_store* items, uint32_t* slots, int64_t num_slots, int64_t hole) {
  int64_t slot = next_slot(hole, num_slots);
  for (; slots[slot] != EMPTY_SLOT; slot = next_slot(slot, num_slots)) {
    int64_t home = home_of(id_at(items, slots[slot]), num_slots);
    int64_t from_home = (slot - home + num_slots) % num_slots;
    int64_t from_hole = (slot - hole + num_slots) % num_slots;
    if (from_home < from_hole) continue;
    slots[hole] = slots[slot];
    hole = slot;
  }
  slots[hole] = EMPTY_SLOT;
}

// The slot that holds `position`.
static int64_t slot_of(const item_store* items, const id_table* table, int64_t position) {
  int64_t slot = home_of(id_at(items, position), table->num_slots);
  while (table->slots[slot] != (uint32_t)position) slot = next_slot(slot, table->num_slots);
  return slot;
}

void table_move(const item_store* items, const id_table* table, int64_t from, int64_t to) {
  table->slots[slot_of(items, table, from)] = (uint32_t)to;
}

void table_erase(const item_store* items, const id_table* table, int64_t position) {
  close_hole(items, table->slots, table->num_slots, slot_of(items, table, position));
}

// Ids are often the positions themselves: then one look tells, where the table takes two.
static int is_at(const item_store* items, int64_t id) {
  return id >= 0 && id < items->num_items && id_at(items, id) == id;
}

static int64_t find_from(const item_store* items, const id_table* table, int64_t slot, int64_t id) {
  for (; table->slots[slot] != EMPTY_SLOT; slot = next_slot(slot, table->num_slots))
    if (id_at(items, table->slots[slot]) == id) return table->slots[slot];
  return -1;
}

// Slots, and then the ids that they point to, are fetched together for some ids at a time: each is
// a cache miss of its own in a large index.
static void find_some(const item_store* items, const id_table* table, const int64_t* ids,
                      int64_t count, int64_t* positions) {
  int64_t homes[FIND_AT_ONCE];
  for (int64_t i = 0; i < count; i++)
    if (ids[i] >= 0 && ids[i] < items->num_items)
      __builtin_prefetch(&chunk_of(items, ids[i])->ids[place_in_chunk(items, ids[i])]);
  for (int64_t i = 0; i < count; i++) {
    homes[i] = is_at(items, ids[i]) ? -1 : home_of(ids[i], table->num_slots);
    if (homes[i] >= 0) __builtin_prefetch(&table->slots[homes[i]]);
  }
  for (int64_t i = 0; i < count; i++) {
    uint32_t position = homes[i] >= 0 ? table->slots[homes[i]] : EMPTY_SLOT;
    if (position != EMPTY_SLOT)
      __builtin_prefetch(&chunk_of(items, position)->ids[place_in_chunk(items, position)]);
  }
  for (int64_t i = 0; i < count; i++)
    positions[i] = homes[i] < 0 ? ids[i] : find_from(items, table, homes[i], ids[i]);
}

typedef struct {
  const item_store* items;
  const id_table* table;
  const int64_t* ids;
  int64_t count;
  int64_t* positions;
} lookup;

static void find_task(void* context, int64_t thread, int64_t task) {
  (void)thread;
  const lookup* wanted = context;
  int64_t end = (task + 1) * FIND_PER_TASK;
  if (end > wanted->count) end = wanted->count;
  for (int64_t first = task * FIND_PER_TASK; first < end; first += FIND_AT_ONCE)
    find_some(wanted->items, wanted->table, wanted->ids + first,
              end - first < FIND_AT_ONCE ? end - first : FIND_AT_ONCE, wanted->positions + first);
}

void find_items(const item_store* items, const id_table* table, const int64_t* ids, int64_t count,
                int64_t num_threads, int64_t* positions) {
  lookup wanted = {items, table, ids, count, positions};
  run_tasks(num_threads, (count + FIND_PER_TASK - 1) / FIND_PER_TASK, find_task, &wanted);
}
