// How alike two rows of a sparse matrix are, from sums over the entries that they share.
//
// `reference.row_similarities` gives the formulas and the order of the sums.
#ifndef SHORTLIST_OVERLAP_H
#define SHORTLIST_OVERLAP_H

#include "kernels.h"

// Of one row with one other. Only what the measure needs is filled in, and always the count.
typedef struct {
  double count;
  double products;  // squared differences for EUCLIDEAN_DISTANCE
  double own_squares;
  double squares;
  double own_sum;
  double sum;
} overlap;

// Of one row with all others.
typedef struct {
  overlap* with;     // one per row, all 0 where nothing is shared
  int32_t* touched;  // the rows that share an entry, in order of appearance
  int64_t num_touched;
} overlap_set;

// 0, or OUT_OF_MEMORY; to be released in both cases.
int overlaps_create(overlap_set* overlaps, int64_t num_rows);
void overlaps_release(overlap_set* overlaps);

// Adds all that given row `row` shares. The set was clear.
void overlaps_add(overlap_set* overlaps, const given_rows* given, int64_t row,
                  const compared_rows* compared, similarity_kind kind);
void overlaps_clear(overlap_set* overlaps);

// The whole of a row: the number of its entries and the sum of their squares.
typedef struct {
  double size;
  double squares;
  double norm;
} row_total;

row_total total_of(const given_rows* given, int64_t row);

// 0 where the two are no neighbours, and then *is_neighbour is 0; else *is_neighbour is 1.
double overlap_similarity(const overlap* shared, const row_total* own,
                          const compared_rows* compared, int64_t other,
                          const similarity_measure* measure, int* is_neighbour);

#endif
