// Threads take runs of strips. In a strip, blocks of queries are compared with their floors by one
// call of the instruction set's scan.
#include "strips.h"

#include "store.h"
#include "threads.h"

enum {
  NUM_SEEDS = 64,  // strips from all over the store that come first, for a good early floor
  STRIPS_PER_TASK = 16,
};

typedef struct {
  const strip_walk* walk;
  int64_t num_strips, num_seeds, seed_stride;
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
      .offsets = limits->has_offsets ? limits->offsets : 0,
      .offsets_stride = limits->offsets_stride,
  };
  int64_t num_hits = walk->call->simd->scan(&span->codes, &block, scratch->hits);
  take_hits(walk, thread, span, first, num_hits);
}

static void scan_strip(const strip_walk* walk, int64_t thread, int64_t strip) {
  const filter_set* filters = walk->call->filters;
  const uint8_t* mask = filters->mask_rows == 1 ? filters->mask_bits : 0;
  int64_t begin = strip * STRIP, end = begin + STRIP, count = walk->queries->count;
  if (end > walk->call->items->num_items) end = walk->call->items->num_items;
  code_span span;
  for (; next_span(walk->call->items, mask, begin, end, &span); begin = span.first + span.num_items)
    for (int64_t first = 0; first < count; first += QUERY_BLOCK)
      scan_block(walk, thread, &span, first,
                 count - first < QUERY_BLOCK ? count - first : QUERY_BLOCK);
}

// Seeds are every seed_stride-th strip, a task each. Then all others follow in order.
static void scan_task(void* context, int64_t thread, int64_t task) {
  const strip_order* order = context;
  if (task < order->num_seeds) {
    scan_strip(order->walk, thread, task * order->seed_stride);
    return;
  }
  int64_t begin = (task - order->num_seeds) * STRIPS_PER_TASK, end = begin + STRIPS_PER_TASK;
  for (int64_t strip = begin; strip < end && strip < order->num_strips; strip++) {
    int is_seed = strip % order->seed_stride == 0 && strip / order->seed_stride < order->num_seeds;
    if (!is_seed) scan_strip(order->walk, thread, strip);
  }
}

void walk_strips(const strip_walk* walk) {
  strip_order order = {.walk = walk};
  order.num_strips = (walk->call->items->num_items + STRIP - 1) / STRIP;
  order.num_seeds = order.num_strips < 4 * NUM_SEEDS ? 0 : NUM_SEEDS;
  order.seed_stride = order.num_seeds ? order.num_strips / NUM_SEEDS : 1;
  int64_t num_tasks = order.num_seeds + (order.num_strips + STRIPS_PER_TASK - 1) / STRIPS_PER_TASK;
  run_tasks(walk->num_threads, num_tasks, scan_task, &order);
}
