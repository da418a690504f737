// One pass compares whole vectors with a limit below the answer and collects what reaches it; when
// there is no more room, the best stay and the limit rises above the worst of them. In ascending
// rows that would happen all the time, so the limit starts from a sample.
#include "collect.h"

#include <math.h>

enum {
  LEAST_CAPACITY = 1024,
  CAPACITY_PER_K = 4,
  LEAST_SAMPLED = 4 * RUN,  // shorter rows are their own sample
  SAMPLED_PER_K = 4,        // a row of fewer values for each of k is collected whole
  MAXIMA_PER_K = 2,  // the k-th of twice as many maxima is near the k-th of all that was sampled
  SAMPLE_SHARE = 6,  // measured: the larger the sample, the fewer the entries
  SPARED_PER_K = 4,  // an exact limit would take longer to find than a few more entries
};

collector make_collector(const simd_set* simd, const score_matrix* scores, int64_t k) {
  int64_t wanted = k < scores->num_columns ? k : scores->num_columns;
  int64_t capacity = wanted * CAPACITY_PER_K;
  if (capacity < LEAST_CAPACITY) capacity = LEAST_CAPACITY;
  if (capacity > scores->num_columns) capacity = scores->num_columns;
  return (collector){simd->topk, scores, wanted, capacity};
}

int64_t collection_room(const collector* call) { return call->capacity + SPAN; }

static int64_t num_reaching_float32(const float* values, int64_t count, float limit) {
  int32_t reaching = 0;
  for (int64_t i = 0; i < count; i++) reaching += values[i] >= limit;
  return reaching;
}

static int64_t num_reaching_float64(const double* values, int64_t count, double limit) {
  int64_t reaching = 0;
  for (int64_t i = 0; i < count; i++) reaching += values[i] >= limit;
  return reaching;
}

// The key of a limit that at least `wanted` of the values reach and few more, found by halving, or
// the lowest key. `values` are of the type of the scores.
static uint64_t halve(const collector* call, const void* values, int64_t count) {
  int is_float32 = call->scores->float32 != NULL;
  uint64_t low = is_float32 ? float32_key(-INFINITY) : float64_key(-INFINITY);
  uint64_t high = is_float32 ? float32_key(INFINITY) : float64_key(INFINITY);
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    int64_t reaching = is_float32 ? num_reaching_float32(values, count, float32_of(middle))
                                  : num_reaching_float64(values, count, float64_of(middle));
    if (reaching < call->wanted) {
      high = middle;
      continue;
    }
    low = middle;
    if (reaching <= call->wanted + call->wanted / SPARED_PER_K) break;
  }
  return low;
}

// Maxima of disjoint groups of values are values of the row themselves. A set of RUN groups takes
// every num_sets-th of the runs, which lie evenly over the row.
static int64_t sample(const collector* call, int64_t row, void* maxima) {
  const score_matrix* scores = call->scores;
  int64_t columns = scores->num_columns;
  int64_t num_sets = (call->wanted * MAXIMA_PER_K + RUN - 1) / RUN;
  int64_t num_runs = (int64_t)sqrt((double)columns * (double)call->wanted) / SAMPLE_SHARE;
  num_runs = num_runs / num_sets + 1;
  if (num_runs * num_sets * RUN > columns) num_runs = columns / (num_sets * RUN);
  int64_t step = columns / (num_runs * num_sets);
  for (int64_t set = 0; set < num_sets; set++) {
    int64_t place = row * columns + set * step;
    if (scores->float32)
      call->simd->sample_float32(scores->float32 + place, num_runs, num_sets * step,
                                 (float*)maxima + set * RUN);
    else
      call->simd->sample_float64(scores->float64 + place, num_runs, num_sets * step,
                                 (double*)maxima + set * RUN);
  }
  return num_sets * RUN;
}

uint64_t seed_limit(const collector* call, int64_t row, collection* spare) {
  const score_matrix* scores = call->scores;
  int64_t columns = scores->num_columns;
  if (columns < call->wanted * SAMPLED_PER_K)
    return scores->float32 ? float32_key(-INFINITY) : float64_key(-INFINITY);
  if (columns >= LEAST_SAMPLED)
    return halve(call, spare->scratch, sample(call, row, spare->scratch));
  if (scores->float32) return halve(call, scores->float32 + row * columns, columns);
  return halve(call, scores->float64 + row * columns, columns);
}

static int64_t find_float32(const collector* call, const float* values, int64_t first,
                            int64_t count, uint64_t limit, keyed* found) {
  int32_t places[SPAN];
  int64_t num_found = call->simd->find_float32(values, count, float32_of(limit), places);
  for (int64_t i = 0; i < num_found; i++)
    found[i] = (keyed){float32_key(values[places[i]]), first + places[i]};
  return num_found;
}

static int64_t find_float64(const collector* call, const double* values, int64_t first,
                            int64_t count, uint64_t limit, keyed* found) {
  int32_t places[SPAN];
  int64_t num_found = call->simd->find_float64(values, count, float64_of(limit), places);
  for (int64_t i = 0; i < num_found; i++)
    found[i] = (keyed){float64_key(values[places[i]]), first + places[i]};
  return num_found;
}

void collect(const collector* call, int64_t row, int64_t first, int64_t end, uint64_t limit,
             collection* found) {
  const score_matrix* scores = call->scores;
  found->count = 0;
  for (int64_t i = first; i < end; i += SPAN) {
    int64_t count = end - i < SPAN ? end - i : SPAN, place = row * scores->num_columns + i;
    keyed* free_room = found->entries + found->count;
    found->count += scores->float32
                        ? find_float32(call, scores->float32 + place, i, count, limit, free_room)
                        : find_float64(call, scores->float64 + place, i, count, limit, free_room);
    if (found->count <= call->capacity) continue;
    // What comes later must be larger: among equals the first wins.
    limit = 1 + keep_largest(found->entries, found->count, call->wanted, (uint64_t*)found->scratch);
    found->count = call->wanted;
  }
}
