// What each list gives its items. Sums are taken in float64 in the order of the lists.
#include <math.h>

#include "fuse.h"

static const double RRF_CONSTANT = 60.0;  // Cormack, Clarke and Buettcher 2009

static void scale_to_unit_range(double* scores, int64_t count) {
  double low = INFINITY, high = -INFINITY;
  for (int64_t i = 0; i < count; i++) {
    low = scores[i] < low ? scores[i] : low;
    high = scores[i] > high ? scores[i] : high;
  }
  double range = high - low;
  for (int64_t i = 0; i < count; i++) scores[i] = range > 0.0 ? (scores[i] - low) / range : 1.0;
}

static void standardise(double* scores, int64_t count) {
  double sum = 0.0, squares = 0.0;
  for (int64_t i = 0; i < count; i++) sum += scores[i];
  double mean = sum / (double)count;
  for (int64_t i = 0; i < count; i++) {
    scores[i] -= mean;
    squares += scores[i] * scores[i];
  }
  double deviation = sqrt(squares / (double)count);
  for (int64_t i = 0; i < count; i++) scores[i] = deviation > 0.0 ? scores[i] / deviation : 0.0;
}

// The entries of one list of weight above 0, and the items that they are.
typedef struct {
  const int32_t* places;
  double* scores;
  int64_t count;
  double weight;
} given_list;

static void add_reciprocal_ranks(double* values, const given_list* list) {
  for (int64_t i = 0; i < list->count; i++)
    values[list->places[i]] += list->weight / (RRF_CONSTANT + (double)(i + 1));
}

static void add_scores(double* values, const given_list* list, fusion_norm norm) {
  if (norm == MINMAX) scale_to_unit_range(list->scores, list->count);
  if (norm == ZSCORE) standardise(list->scores, list->count);
  for (int64_t i = 0; i < list->count; i++)
    values[list->places[i]] += list->weight * list->scores[i];
}

static void raise_to(double* value, double other) { *value = other > *value ? other : *value; }

static void keep_largest_scores(double* values, const given_list* list) {
  for (int64_t i = 0; i < list->count; i++)
    raise_to(&values[list->places[i]], list->weight * list->scores[i]);
}

// The earlier the turn, the larger the value: turns of all lists are counted as they come.
static void keep_earliest_turns(double* values, const given_list* list, int64_t turn,
                                int64_t num_turns) {
  for (int64_t i = 0; i < list->count; i++)
    raise_to(&values[list->places[i]], -(double)(i * num_turns + turn));
}

// `points` has room for all items.
static void add_points(double* values, int64_t num_items, const given_list* list, double* points) {
  double rest = list->weight * ((double)(num_items - list->count + 1) / 2.0);
  for (int64_t i = 1; i <= num_items; i++) points[i] = rest;
  for (int64_t i = 0; i < list->count; i++)
    points[list->places[i]] = list->weight * (double)(num_items - i);
  for (int64_t i = 1; i <= num_items; i++) values[i] += points[i];
}

void value_items(fused_items* fused, const ranked_lists* lists, fusion_method method,
                 fusion_norm norm) {
  int64_t num_turns = 0, turn = 0;
  double start = method == LARGEST || method == ROUND_ROBIN ? -INFINITY : 0.0;
  for (int64_t i = 1; i <= fused->num_items; i++) fused->values[i] = start;
  for (int64_t s = 0; s < lists->num_lists; s++) num_turns += lists->lists[s].weight > 0.0;
  for (int64_t s = 0; s < lists->num_lists; s++) {
    int64_t first = start_of(fused, s);
    given_list list = {fused->places + first, fused->scores + first, fused->ends[s] - first,
                       lists->lists[s].weight};
    if (list.weight == 0.0) continue;
    if (method == RRF) add_reciprocal_ranks(fused->values, &list);
    if (method == WEIGHTED) add_scores(fused->values, &list, norm);
    if (method == LARGEST) keep_largest_scores(fused->values, &list);
    if (method == ROUND_ROBIN) keep_earliest_turns(fused->values, &list, turn++, num_turns);
    // Points ask for no scores: their room is free.
    if (method == BORDA) add_points(fused->values, fused->num_items, &list, fused->scores);
  }
  for (int64_t i = 1; i <= fused->num_items; i++) fused->values[i] += 0.0;  // of zeros one sign
}
