// A sparse matrix read the other way, and the sums of its rows.
#include <string.h>

#include "kernels.h"

// The columns are counted first, so that each entry goes straight to its place.
void transpose(const csr_matrix* matrix, int64_t* indptr, int32_t* indices, float* data) {
  memset(indptr, 0, (size_t)(matrix->num_columns + 1) * sizeof(int64_t));
  if (matrix->num_columns == 0) return;
  int64_t* next = indptr + 1;  // counted one place late, indptr[c] ends where column c begins
  for (int64_t i = 0; i < matrix->num_values; i++) next[matrix->indices[i]]++;
  int64_t before = 0;
  for (int64_t c = 0; c < matrix->num_columns; c++) {
    int64_t count = next[c];
    next[c] = before;
    before += count;
  }
  for (int64_t r = 0; r < matrix->num_rows; r++)
    for (int64_t i = matrix->indptr[r]; i < matrix->indptr[r + 1]; i++) {
      int64_t place = next[matrix->indices[i]]++;
      indices[place] = (int32_t)r;
      data[place] = matrix->data[i];
    }
}

void row_totals(const csr_matrix* matrix, double* sums, double* squares) {
  for (int64_t r = 0; r < matrix->num_rows; r++) {
    double sum = 0.0, square = 0.0;
    for (int64_t i = matrix->indptr[r]; i < matrix->indptr[r + 1]; i++) {
      double value = matrix->data[i];
      sum += value;
      square += value * value;
    }
    sums[r] = sum;
    squares[r] = square;
  }
}
