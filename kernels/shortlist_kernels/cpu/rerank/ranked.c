#include "ranked.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_PER_K = 3 };

static int find_first(const simd_set* simd, const candidate_rows* rows, int64_t k,
                      int64_t num_threads, first_ranks* first) {
  int64_t n = rows->num_items;
  first->depth = k < n / FIRST_PER_K ? k * FIRST_PER_K : n;
  size_t room = (size_t)(rows->num_queries * first->depth) + 1;
  first->scores = malloc(room * sizeof(double));
  first->positions = malloc(room * sizeof(int64_t));
  if (!first->scores || !first->positions) return OUT_OF_MEMORY;
  score_matrix matrix = {NULL, rows->scores, rows->num_queries, n};
  return topk(simd, &matrix, first->depth, num_threads, first->scores, first->positions);
}

int rerank_by(const worker* rule, const void* call, const simd_set* simd,
              const candidate_rows* rows, int64_t k, int64_t num_threads, first_ranks* first) {
  int result = find_first(simd, rows, k, num_threads, first);
  if (result == 0) result = run_workers(rule, call, num_threads, rows->num_queries);
  free(first->scores);
  free(first->positions);
  return result;
}

int ranked_create(ranked_groups* ranked, int64_t num_items, int64_t num_groups) {
  size_t room = (size_t)num_groups + 2, length = (size_t)num_items + 1;
  ranked->entries = malloc(length * sizeof(scored));
  ranked->starts = malloc(room * sizeof(int64_t));
  ranked->num_ranked = malloc(room * sizeof(int64_t));
  ranked->rest = malloc(length * sizeof(keyed));
  ranked->scratch = malloc(length * sizeof(keyed));
  return ranked->entries && ranked->starts && ranked->num_ranked && ranked->rest && ranked->scratch
             ? 0
             : OUT_OF_MEMORY;
}

void ranked_release(ranked_groups* ranked) {
  free(ranked->entries);
  free(ranked->starts);
  free(ranked->num_ranked);
  free(ranked->rest);
  free(ranked->scratch);
}

static void append(ranked_groups* ranked, scored entry) {
  int64_t group = ranked->groups ? ranked->groups[entry.id] : 0;
  ranked->entries[ranked->starts[group] + ranked->num_ranked[group]++] = entry;
}

static void count_sizes(ranked_groups* ranked) {
  int64_t* starts = ranked->starts;
  memset(starts, 0, ((size_t)ranked->num_groups + 1) * sizeof(int64_t));
  if (!ranked->groups) {
    int64_t num_open = 0;
    for (int64_t i = 0; i < ranked->num_items; i++) num_open += ranked->scores[i] != -INFINITY;
    starts[1] = num_open;
    return;
  }
  for (int64_t i = 0; i < ranked->num_items; i++)
    starts[ranked->groups[i] + 1] += ranked->scores[i] != -INFINITY;
  for (int64_t g = 0; g < ranked->num_groups; g++) starts[g + 1] += starts[g];
}

int64_t ranked_fill(ranked_groups* ranked, const candidate_rows* rows, const first_ranks* first,
                    int64_t query, const int64_t* groups, int64_t num_groups) {
  ranked->scores = rows->scores + query * rows->num_items;
  ranked->first_scores = first->scores + query * first->depth;
  ranked->groups = groups;
  ranked->num_items = rows->num_items;
  ranked->num_groups = num_groups;
  count_sizes(ranked);
  memset(ranked->num_ranked, 0, (size_t)num_groups * sizeof(int64_t));
  const int64_t* positions = first->positions + query * first->depth;
  int64_t num_open = ranked->starts[num_groups];
  ranked->num_first = first->depth < num_open ? first->depth : num_open;
  for (int64_t i = 0; i < ranked->num_first; i++)
    append(ranked, (scored){ranked->first_scores[i], positions[i]});
  return num_open;
}

void ranked_sort_rest(ranked_groups* ranked) {
  int64_t count = 0, last = ranked->num_first - 1, left_at_last = 0;
  double last_score = last >= 0 ? ranked->first_scores[last] : INFINITY;
  // Of those that tie with the last rank, the first in position are ranked.
  for (int64_t i = last; i >= 0 && ranked->first_scores[i] == last_score; i--) left_at_last++;
  for (int64_t i = 0; i < ranked->num_items; i++) {
    double score = ranked->scores[i];
    if (score > last_score || score == -INFINITY) continue;
    if (score == last_score && left_at_last-- > 0) continue;
    ranked->rest[count++] = (keyed){float64_key(score), i};
  }
  sort_keyed(ranked->rest, count, ranked->scratch);
  for (int64_t i = 0; i < count; i++) {
    int64_t position = ranked->rest[i].position;
    append(ranked, (scored){ranked->scores[position], position});
  }
}
