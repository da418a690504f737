// Threads take runs of strips. In a strip, blocks of queries are compared with their floors by one
// call of the instruction set's scan.
#include "strips.h"

#include "store.h"
#include "threads.h"

enum { STRIPS_PER_TASK = 16, SEEDS_PER_TASK = 32 };

typedef struct {
  const strip_walk* walk;
  int64_t num_strips;
  int seeds_too;
} strip_order;

static void take_hits(const strip_walk* walk, int64_t thread, const code_span* span, int64_t first,
                      int64_t num_hits) {
  const strip_scratch* scratch = &walk->scratch[thread];
  for (int64_t i = 0; i < num_hits; i++) {
    int64_t q = first + scratch->hits[i].query;
    candidate entry = candidate_of(&scratch->limits, walk->queries, span, q, scratch->hits[i]);
    if (upper_bound(entry) < read_floor(&walk->floors[q])) continue;
    if (is_allowed(walk->call, walk->first_query + q, entry.position))
      walk->offer(walk->context, thread, q, entry);
  }
}

static void scan_block(const strip_walk* walk, int64_t thread, const code_span* span, int64_t first,
                       int64_t count) {
  strip_scratch* scratch = &walk->scratch[thread];
  block_limits* limits = &scratch->limits;
  if (!set_limits(limits, walk->call, walk->queries, walk->first_query, span, first, count,
                  walk->floors))
    return;
  query_block block = {
      .codes = walk->queries->codes + first * walk->queries->stride,
      .stride = walk->queries->stride,
      .num_queries = count,
      .limits = limits->limits,
      .units = limits->units,
      .margins = limits->margins,
      .offsets = limits->offsets,
      .offsets_stride = limits->offsets_stride,
  };
  int64_t num_hits = walk->call->simd->scan(&span->codes, &block, scratch->hits);
  take_hits(walk, thread, span, first, num_hits);
}

static void scan_items(const strip_walk* walk, int64_t thread, int64_t begin, int64_t end) {
  const filter_set* filters = walk->call->filters;
  const uint8_t* mask = filters->mask_rows == 1 ? filters->mask_bits : 0;
  int64_t count = walk->queries->count;
  if (end > walk->call->items->num_items) end = walk->call->items->num_items;
  code_span span;
  for (; next_span(walk->call->items, mask, begin, end, &span); begin = span.first + span.num_items)
    for (int64_t first = 0; first < count; first += QUERY_BLOCK)
      scan_block(walk, thread, &span, first,
                 count - first < QUERY_BLOCK ? count - first : QUERY_BLOCK);
}

static void scan_seeds(void* context, int64_t thread, int64_t task) {
  const strip_order* order = context;
  int64_t strip = task * SEEDS_PER_TASK * SEED_STRIDE;
  int64_t end = strip + SEEDS_PER_TASK * SEED_STRIDE;
  for (; strip < end && strip < order->num_strips; strip += SEED_STRIDE)
    scan_items(order->walk, thread, strip * STRIP, strip * STRIP + SEED_ITEMS);
}

static void scan_strips(void* context, int64_t thread, int64_t task) {
  const strip_order* order = context;
  int64_t strip = task * STRIPS_PER_TASK, end = strip + STRIPS_PER_TASK;
  for (; strip < end && strip < order->num_strips; strip++) {
    int64_t seed = !order->seeds_too && strip % SEED_STRIDE == 0 ? SEED_ITEMS : 0;
    scan_items(order->walk, thread, strip * STRIP + seed, (strip + 1) * STRIP);
  }
}

static int64_t num_strips(const strip_walk* walk) {
  return (walk->call->items->num_items + STRIP - 1) / STRIP;
}

void walk_seeds(const strip_walk* walk) {
  strip_order order = {walk, num_strips(walk), 1};
  int64_t each = SEEDS_PER_TASK * SEED_STRIDE;
  run_tasks(walk->num_threads, (order.num_strips + each - 1) / each, scan_seeds, &order);
}

void walk_strips(const strip_walk* walk, int seeds_too) {
  strip_order order = {walk, num_strips(walk), seeds_too};
  int64_t num_tasks = (order.num_strips + STRIPS_PER_TASK - 1) / STRIPS_PER_TASK;
  run_tasks(walk->num_threads, num_tasks, scan_strips, &order);
}
