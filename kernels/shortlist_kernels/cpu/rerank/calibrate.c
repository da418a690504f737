// Calibrated recommendations (Steck 2018), greedy; see `reference.calibrate`. Candidates of one
// kind gain alike, so only the best of each kind is looked at, and a gain is computed again only
// where a group has grown.
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "kinds.h"
#include "ranked.h"

typedef struct {
  double weight, value;
  int64_t next;  // of the same group, -1 for none
} gain_term;

typedef struct {
  int64_t row;  // of memberships
  int64_t first_entry, num_entries;
  int64_t num_taken, size;
  int64_t kind;
  scored head;
} kind_state;

typedef struct {
  ranked_groups ranked;  // by kind
  item_kinds kinds;
  kind_state* states;  // of the kinds that have candidates
  gain_term* terms;
  int64_t* entries;      // the terms of each kind
  int64_t* first_terms;  // by group
  double* mass;          // by group, the weights taken
  double* floors;        // by group, what the target adds to the mass
  int64_t num_states, num_terms, num_entries;
} workspace;

typedef struct {
  const candidate_rows* rows;
  const membership_rows* memberships;
  const double* targets;
  const double* strengths;
  int64_t most_entries;  // of the memberships of the candidates of one query
  const reranking* out;
  const first_ranks* first;
} calibrate_call;

// These and the formulas below are those of the reference, operation by operation.
static const double MIXED = 0.01, KEPT = 1.0 - 0.01;
static const double LN2 = 0.6931471805599453, ROOT_HALF = 0.7071067811865476;

enum { EXPONENT_SHIFT = 52, EXPONENT_BIAS = 1022 };

enum { LOOKED_AT = 8 };  // terms of a group that are compared with a new weight

// The natural logarithm of a finite number y >= 1: with y = m 2^e it is e log 2 + 2 artanh(s),
// s = (m - 1) / (m + 1).
static double logarithm(double y) {
  uint64_t bits;
  memcpy(&bits, &y, sizeof bits);
  double exponent = (double)((int64_t)(bits >> EXPONENT_SHIFT) - EXPONENT_BIAS);
  bits =
      (bits & ((UINT64_C(1) << EXPONENT_SHIFT) - 1)) | ((uint64_t)EXPONENT_BIAS << EXPONENT_SHIFT);
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m < ROOT_HALF) {
    m = m * 2.0;
    exponent = exponent - 1.0;
  }
  double s = (m - 1.0) / (m + 1.0), z = s * s, sum = 1.0 / 21.0;
  sum = sum * z + 1.0 / 19.0;
  sum = sum * z + 1.0 / 17.0;
  sum = sum * z + 1.0 / 15.0;
  sum = sum * z + 1.0 / 13.0;
  sum = sum * z + 1.0 / 11.0;
  sum = sum * z + 1.0 / 9.0;
  sum = sum * z + 1.0 / 7.0;
  sum = sum * z + 1.0 / 5.0;
  sum = sum * z + 1.0 / 3.0;
  sum = sum * z + 1.0;
  return exponent * LN2 + (s + s) * sum;
}

static void renew_terms(int64_t group, double target, workspace* work) {
  if (target == 0.0) return;
  double before = KEPT * work->mass[group] + work->floors[group];
  for (int64_t t = work->first_terms[group]; t >= 0; t = work->terms[t].next)
    work->terms[t].value = target * logarithm(1.0 + KEPT * work->terms[t].weight / before);
}

static void grow(const membership_rows* memberships, int64_t row, const double* target,
                 workspace* work) {
  for (int64_t e = memberships->indptr[row]; e < memberships->indptr[row + 1]; e++) {
    int64_t group = memberships->groups[e];
    work->mass[group] += memberships->weights[e];
    renew_terms(group, target[group], work);
  }
}

// The term of a group and a weight. Where a group has many weights some get several terms.
static int64_t term_of(int64_t group, double weight, workspace* work) {
  int64_t term = work->first_terms[group];
  for (int i = 0; i < LOOKED_AT && term >= 0; i++, term = work->terms[term].next)
    if (work->terms[term].weight == weight) return term;
  term = work->num_terms++;
  work->terms[term] = (gain_term){weight, 0.0, work->first_terms[group]};
  work->first_terms[group] = term;
  return term;
}

static kind_state make_state(const membership_rows* memberships, int64_t kind, int64_t row,
                             workspace* work) {
  int64_t first_entry = work->num_entries;
  for (int64_t e = memberships->indptr[row]; e < memberships->indptr[row + 1]; e++)
    work->entries[work->num_entries++] =
        term_of(memberships->groups[e], memberships->weights[e], work);
  return (kind_state){.row = row,
                      .first_entry = first_entry,
                      .num_entries = work->num_entries - first_entry,
                      .size = ranked_size(&work->ranked, kind),
                      .kind = kind,
                      .head = ranked_at(&work->ranked, kind, 0)};
}

// Kinds and ranks of the candidates of one query; how many may be chosen.
static int64_t prepare(const calibrate_call* call, int64_t query, workspace* work) {
  const candidate_rows* rows = call->rows;
  int64_t num_items = rows->num_items, num_kinds = call->memberships->num_rows;
  const int64_t* kinds = rows->groups ? rows->groups + query * num_items : work->kinds.of_item;
  if (!rows->groups)
    num_kinds = find_kinds(call->memberships, query * num_items, num_items, &work->kinds);
  int64_t num_open = ranked_fill(&work->ranked, rows, call->first, query, kinds, num_kinds);
  work->num_states = work->num_terms = work->num_entries = 0;
  for (int64_t g = 0; g < call->memberships->num_groups; g++) work->first_terms[g] = -1;
  for (int64_t kind = 0; kind < num_kinds; kind++) {
    if (ranked_size(&work->ranked, kind) == 0) continue;
    int64_t row = rows->groups ? kind : work->kinds.rows[kind];
    work->states[work->num_states++] = make_state(call->memberships, kind, row, work);
  }
  return num_open;
}

// The best by (value, score, smaller position).
static kind_state* best_kind(workspace* work, double strength) {
  double keep = 1.0 - strength, best_value = 0.0;
  kind_state* best = NULL;
  for (int64_t i = 0; i < work->num_states; i++) {
    kind_state* state = &work->states[i];
    if (state->num_taken == state->size) continue;
    double gain = 0.0;
    for (int64_t e = 0; e < state->num_entries; e++)
      gain += work->terms[work->entries[state->first_entry + e]].value;
    double value = keep * state->head.score + strength * gain;
    if (best && (value < best_value || (value == best_value && !precedes(state->head, best->head))))
      continue;
    best = state;
    best_value = value;
  }
  return best;
}

static void rerank_one(void* room, const void* context, int64_t query) {
  const calibrate_call* call = context;
  const membership_rows* memberships = call->memberships;
  workspace* work = room;
  int64_t k = call->out->k, num_open = prepare(call, query, work);
  int64_t num_places = k < num_open ? k : num_open;
  const double* target = call->targets + query * memberships->num_groups;
  for (int64_t g = 0; g < memberships->num_groups; g++) {
    work->mass[g] = 0.0;
    work->floors[g] = MIXED * (double)num_places * target[g];
    renew_terms(g, target[g], work);
  }
  double sum = 0.0;
  for (int64_t place = 0; place < num_places; place++) {
    kind_state* best = best_kind(work, call->strengths[query]);
    call->out->order[query * k + place] = best->head.id;
    sum += best->head.score;
    grow(memberships, best->row, target, work);
    if (++best->num_taken < best->size)
      best->head = ranked_at(&work->ranked, best->kind, best->num_taken);
  }
  call->out->lost[query] = ranked_sum(&work->ranked, num_places) - sum;
}

// The most groups that the kinds of one query can list.
static int64_t count_entries(const candidate_rows* rows, const membership_rows* memberships) {
  const int64_t* indptr = memberships->indptr;
  if (rows->groups) return indptr[memberships->num_rows];
  int64_t most = 0;
  for (int64_t q = 0; q < rows->num_queries; q++) {
    int64_t count = indptr[(q + 1) * rows->num_items] - indptr[q * rows->num_items];
    if (count > most) most = count;
  }
  return most;
}

static int create(void* room, const void* context) {
  workspace* work = room;
  const calibrate_call* call = context;
  const candidate_rows* rows = call->rows;
  const membership_rows* memberships = call->memberships;
  int64_t num_kinds = rows->groups ? memberships->num_rows : rows->num_items;
  size_t num_groups = (size_t)memberships->num_groups + 1,
         num_entries = (size_t)call->most_entries + 1;
  int result = ranked_create(&work->ranked, rows->num_items, num_kinds);
  if (result == 0 && !rows->groups) result = kinds_create(&work->kinds, rows->num_items);
  work->states = malloc(((size_t)num_kinds + 1) * sizeof(kind_state));
  work->terms = malloc(num_entries * sizeof(gain_term));
  work->entries = malloc(num_entries * sizeof(int64_t));
  work->first_terms = malloc(num_groups * sizeof(int64_t));
  work->mass = malloc(num_groups * sizeof(double));
  work->floors = malloc(num_groups * sizeof(double));
  return result == 0 && work->states && work->terms && work->entries && work->first_terms &&
                 work->mass && work->floors
             ? 0
             : OUT_OF_MEMORY;
}

static void release(void* room) {
  workspace* work = room;
  ranked_release(&work->ranked);
  kinds_release(&work->kinds);
  free(work->states);
  free(work->terms);
  free(work->entries);
  free(work->first_terms);
  free(work->mass);
  free(work->floors);
}

int calibrate(const simd_set* simd, const candidate_rows* rows, const membership_rows* memberships,
              const double* targets, const double* strengths, int64_t num_threads,
              const reranking* out) {
  static const worker rule = {sizeof(workspace), create, release, rerank_one};
  first_ranks first = {0};
  calibrate_call call = {.rows = rows,
                         .memberships = memberships,
                         .targets = targets,
                         .strengths = strengths,
                         .most_entries = count_entries(rows, memberships),
                         .out = out,
                         .first = &first};
  return rerank_by(&rule, &call, simd, rows, out->k, num_threads, &first);
}
