// The C functions that _cpu.pyx calls. `reference` defines what they compute, bit for bit.
//
// Arguments were checked in Python. Outputs are written only where there is something to write, so
// the caller fills them with the padding first. Functions that return int give 0, or one of the
// errors below.
#ifndef SHORTLIST_KERNELS_H
#define SHORTLIST_KERNELS_H

#include <stdint.h>

#include "select.h"
#include "simd/simd.h"

enum { OUT_OF_MEMORY = -1, BAD_ROW = -2, BAD_ENTRY = -3 };

typedef enum { INNER_PRODUCT, COSINE, EUCLIDEAN, PEARSON } metric_kind;

typedef struct chunk chunk;  // store.h

typedef struct {
  metric_kind metric;
  int64_t num_items;
  int64_t dim;
  int64_t chunk_shift;  // log2 of the items of a chunk
  const chunk* chunks;
} item_store;

// Positions by the ids that lie in the store: an open-addressing table with more slots than items,
// UINT32_MAX in those that are free.
typedef struct {
  uint32_t* slots;
  int64_t num_slots;
} id_table;

// Ascending positions, one list per query or one for all.
typedef struct {
  const int64_t* indptr;  // NULL: no such filter
  const int64_t* positions;
  int64_t num_lists;
} position_lists;

typedef struct {
  const uint8_t* mask_bits;  // NULL: no mask
  int64_t mask_rows;         // 1 or the number of queries
  int64_t mask_bytes;        // of one row
  position_lists allow;
  position_lists exclude;
} filter_set;

typedef struct {
  int64_t num_rows;
  int64_t num_columns;
  int64_t num_values;
  const int64_t* indptr;
  const int32_t* indices;
  const float* data;
} csr_matrix;

// The measures of `neighbours`; overlap.h says more.
typedef enum {
  WHOLE_COSINE,
  CO_RATED_COSINE,
  ADJUSTED_COSINE,
  PEARSON_CORRELATION,
  JACCARD_INDEX,
  EUCLIDEAN_DISTANCE,
  DOT_PRODUCT
} similarity_kind;

typedef struct {
  similarity_kind kind;
  double shrinkage;
  double min_overlap;  // at least 1
} similarity_measure;

// Rows for which neighbours are sought; owners[r] is the compared row that r is, or -1.
typedef struct {
  csr_matrix matrix;
  const int64_t* owners;
  int is_whole;  // all compared rows, in their order
} given_rows;

// The rows among which they are sought.
typedef struct {
  csr_matrix by_column;  // the transposed matrix, so num_columns is the number of rows
  const double* squares;
  const double* norms;
  const int64_t* sizes;
  const double* column_means;
} compared_rows;

// Scores of one of two types; the pointer to the other is NULL.
typedef struct {
  const float* float32;
  const double* float64;
  int64_t num_rows;
  int64_t num_columns;
} score_matrix;

typedef struct {
  int64_t num_queries;
  const int64_t* indptr;
  const int32_t* rows;
  const float* weights;
} history_set;

// One list of each query, best first: entry i of query q has ids[q * ids_stride + i] and the score
// at q * scores_stride + i. The pointer to scores of the other type is NULL. Entries of id -1 or
// score -inf are absent.
typedef struct {
  const int64_t* ids;
  const float* float32;
  const double* float64;
  int64_t length;
  int64_t ids_stride;
  int64_t scores_stride;
  double weight;
} ranked_list;

typedef struct {
  const ranked_list* lists;
  int64_t num_lists;
  int64_t num_queries;
} ranked_lists;

typedef struct {
  int64_t query;
  int64_t list;
  int64_t place;
} entry_place;

typedef enum { RRF, WEIGHTED, LARGEST, ROUND_ROBIN, BORDA } fusion_method;
typedef enum { MINMAX, ZSCORE, AS_GIVEN } fusion_norm;

// Bias: float32 per item, one row for all queries or one a query; NULL for none.
typedef struct {
  const float* values;
  int64_t num_rows;
} bias_rows;

typedef struct {
  int64_t num_rescored;    // items that a scan left to be scored in float64
  int64_t num_exhaustive;  // queries for which every allowed item was scored
} search_counts;

// finite.c
int all_finite(const float* values, int64_t count, int64_t num_threads);

// vectors.c
int row_statistics(metric_kind metric, const float* vectors, int64_t num_rows, int64_t dim,
                   double* means, double* norms);
int score(const simd_set* simd, const item_store* items, const float* queries, int64_t num_queries,
          const int64_t* positions, int64_t num_positions, float* scores);

// items.c: positions are those of items that are there, `descending` from last to first.
int append_items(item_store* items, const id_table* table, const int64_t* ids, const float* vectors,
                 int64_t count);
int replace_vectors(const item_store* items, const int64_t* positions, const float* vectors,
                    int64_t count);
int remove_items(item_store* items, const id_table* table, const int64_t* descending,
                 int64_t count);
void copy_vectors(const item_store* items, const int64_t* positions, int64_t count, float* vectors);

// id_table.c: -1 where no item has the id.
void find_items(const item_store* items, const id_table* table, const int64_t* ids, int64_t count,
                int64_t num_threads, int64_t* positions);
void table_insert(const item_store* items, const id_table* table, int64_t position);

// search.c
int search(const simd_set* simd, const item_store* items, const float* queries, int64_t num_queries,
           int64_t k, const filter_set* filters, const bias_rows* bias, int64_t num_threads,
           float* scores, int64_t* ids, search_counts* counts);

// range.c: lists in order, to be freed by the caller, whatever this returns.
typedef struct {
  scored* entries;
  int64_t count;
} range_list;

int search_range(const simd_set* simd, const item_store* items, const float* queries,
                 int64_t num_queries, const double* least_scores, const filter_set* filters,
                 const bias_rows* bias, int64_t num_threads, range_list* found);

// topk.c: `values`, of the type of the scores, and `positions` have num_rows * k entries; all are
// written. num_threads 0 means what is best.
int topk(const simd_set* simd, const score_matrix* scores, int64_t k, int64_t num_threads,
         void* values, int64_t* positions);

// transpose.c: indptr has one entry per column and one more, `indices` and `data` are as long as
// those of the matrix. Sums run in the order of the entries.
void transpose(const csr_matrix* matrix, int64_t* indptr, int32_t* indices, float* data);
void row_totals(const csr_matrix* matrix, double* sums, double* squares);

// similarity.c, blocks.c: the neighbours lie in blocks, one behind the other, to be released by the
// caller, whatever this returns; indptr has one entry per given row and one more.
typedef struct {
  int32_t* indices;
  float* data;
  int64_t count, room;
} neighbour_block;

typedef struct {
  neighbour_block* blocks;
  int64_t num_blocks;
} neighbour_blocks;

int similar_rows(const given_rows* given, const compared_rows* compared, int64_t k,
                 const similarity_measure* measure, int64_t num_threads, int64_t* indptr,
                 neighbour_blocks* found);
void join_blocks(const neighbour_blocks* found, int32_t* indices, float* data);
void release_blocks(neighbour_blocks* found);

// history.c: on BAD_ROW, *bad_row is the row of the matrix that points or holds indices out of
// range, or data that is not finite.
int score_neighbours(const csr_matrix* matrix, const history_set* history,
                     const int64_t* candidates, int64_t num_candidates, float* scores,
                     int64_t* bad_row);
int search_neighbours(const csr_matrix* matrix, const history_set* history, int64_t k,
                      const filter_set* filters, float* scores, int64_t* ids, int64_t* bad_row);

// fuse.c: writes k scores and ids per query, padding included; num_threads 0 means what is best.
// The lists of a query have fewer than 2^31 entries. On BAD_ENTRY, *fault is the first entry, by
// query, list and place, that has an id below -1 or one that its list had before, or a score beyond
// float32.
int fuse(const ranked_lists* lists, int64_t k, fusion_method method, fusion_norm norm,
         int64_t num_threads, float* scores, int64_t* ids, entry_place* fault);

// Candidates to be re-ranked: vectors and scores of `num_items` for each query, one query behind
// the other.
typedef struct {
  const float* vectors;
  const double* scores;
  int64_t num_queries, num_items, dim;
} candidate_batch;

// mmr.c, dpp.c: `order` has num_queries * k entries, `diversity` one a query, `weights` one a
// candidate. num_threads 0 means what is best.
int mmr(const simd_set* simd, const candidate_batch* batch, const double* diversity, int64_t k,
        int64_t num_threads, int64_t* order, double* lost);
int dpp(const simd_set* simd, const candidate_batch* batch, const double* weights, int64_t k,
        int64_t num_threads, int64_t* order, double* lost);

// ratings.c: the pairs of rows[g] are those with columns[starts[g]] to columns[starts[g + 1] - 1];
// no row stands there twice. `alike` holds how alike rows are; where it is NULL, `measure` tells.
// A prediction is written where there are min_k neighbours.
typedef struct {
  int64_t num_groups;
  const int64_t* starts;
  const int64_t* rows;
  const int64_t* columns;
} rating_pairs;

typedef struct {
  double mean;
  const double* rows;
  const double* columns;
} rating_centres;

int predict_ratings(const given_rows* given, const compared_rows* compared, const csr_matrix* alike,
                    const similarity_measure* measure, const rating_pairs* pairs,
                    const rating_centres* centres, int64_t k, int64_t min_k, int64_t num_threads,
                    double* predictions);

// Candidates to re-rank: rows of as many scores for each query, and the group of each or NULL.
typedef struct {
  const double* scores;
  const int64_t* groups;
  int64_t num_queries, num_items;
} candidate_rows;

// The order to write, k places a query, and the relevance that it gives up.
typedef struct {
  int64_t* order;
  double* lost;
  int64_t k;
} reranking;

// Row r belongs to groups[indptr[r]:indptr[r + 1]], distinct, with as many weights.
typedef struct {
  const int64_t* indptr;
  const int64_t* groups;
  const double* weights;
  int64_t num_rows, num_groups;
} membership_rows;

// calibrate.c: the group of a candidate is its row of memberships; without groups each candidate
// has a row of its own. Targets have num_groups entries a query, strengths one.
int calibrate(const simd_set* simd, const candidate_rows* rows, const membership_rows* memberships,
              const double* targets, const double* strengths, int64_t num_threads,
              const reranking* out);

// capped.c: each attribute gives each candidate a slot, -1 for none; at most caps[slot] of a slot
// may stand in any `window` places. max_displacement -1: none.
int capped(const simd_set* simd, const candidate_rows* rows, const int64_t* slots,
           int64_t num_attributes, const int64_t* caps, int64_t num_slots, int64_t window,
           int64_t max_displacement, int64_t num_threads, const reranking* out);

// exposure.c: shares have num_groups entries a query.
int exposure(const simd_set* simd, const candidate_rows* rows, const double* min_shares,
             const double* max_shares, int64_t num_groups, int64_t num_threads,
             const reranking* out);

#endif
