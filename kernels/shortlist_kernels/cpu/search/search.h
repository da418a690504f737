// What one search is about, and its three ways of scoring.
#ifndef SHORTLIST_SEARCH_H
#define SHORTLIST_SEARCH_H

#include "filter.h"
#include "queries.h"
#include "select.h"

typedef struct {
  const simd_set* simd;
  const item_store* items;
  const filter_set* filters;
  const bias_rows* bias;
  int64_t k;
  int64_t num_threads;
  float* scores;  // num_queries rows of k
  int64_t* ids;
  search_counts* counts;
} search_call;

// The float64 score of one item, bias included.
double exact_score(const search_call* call, const coded_queries* queries, int64_t first_query,
                   int64_t q, int64_t position);

// Whether the query's filters let the item through.
int is_allowed(const search_call* call, int64_t query, int64_t position);

void write_best(const search_call* call, int64_t query, best_list* best);

// How far a query of a pass has come. NEEDS_ALL: every item that it allows is to be scored, as its
// bounds are too loose, k is large or the allow-list short.
typedef enum { UNFINISHED, ANSWERED, NEEDS_ALL } scan_state;

// scan.c: answers the unfinished queries of a pass through their codes, or finds their bounds too
// loose. The pass begins with query first_query of the call.
int scan_codes(const search_call* call, const coded_queries* queries, int64_t first_query,
               scan_state* states);

// Bytes that scan_codes takes, and those it takes for each query.
int64_t scan_bytes(const search_call* call);
int64_t scan_bytes_per_query(const search_call* call);

// exhaustive.c: answers the queries that are NEEDS_ALL by scoring every item that they allow.
int score_all(const search_call* call, const coded_queries* queries, int64_t first_query,
              const scan_state* states);

#endif
