// Row by row: the dot products with all rows that share a column, then the k most similar.
#include <math.h>
#include <stdlib.h>

#include "accumulator.h"
#include "kernels.h"
#include "select.h"

static void fill_norms(const csr_matrix* matrix, double* norms) {
  for (int64_t r = 0; r < matrix->num_rows; r++) {
    double sum = 0.0;
    for (int64_t i = matrix->indptr[r]; i < matrix->indptr[r + 1]; i++)
      sum += (double)matrix->data[i] * (double)matrix->data[i];
    norms[r] = sqrt(sum);
  }
}

static void add_dots(const csr_matrix* matrix, const csr_matrix* transposed, int64_t row,
                     accumulator* dots) {
  for (int64_t i = matrix->indptr[row]; i < matrix->indptr[row + 1]; i++) {
    int64_t start = transposed->indptr[matrix->indices[i]];
    int64_t end = transposed->indptr[matrix->indices[i] + 1];
    accumulator_add(dots, matrix->data[i], transposed->indices + start, transposed->data + start,
                    end - start);
  }
}

static void select_similar(const accumulator* dots, const double* norms, int64_t row,
                           double shrinkage, best_list* best) {
  for (int64_t i = 0; i < dots->num_touched; i++) {
    int32_t other = dots->touched[i];
    double dot = dots->sums[other];
    if (other == row || dot == 0.0) continue;
    float similarity = (float)(dot / (norms[row] * norms[other] + shrinkage));
    scored entry = {similarity, other};
    if (best_admits(best, entry)) best_take(best, entry);
  }
  best_sort(best);
}

static void fill_rows(const csr_matrix* matrix, const csr_matrix* transposed, double shrinkage,
                      accumulator* dots, const double* norms, best_list best, int64_t* indptr,
                      int32_t* indices, float* data) {
  int64_t place = 0;
  indptr[0] = 0;
  for (int64_t r = 0; r < matrix->num_rows; r++) {
    best.size = 0;
    add_dots(matrix, transposed, r, dots);
    select_similar(dots, norms, r, shrinkage, &best);
    accumulator_clear(dots);
    for (int64_t i = 0; i < best.size; i++, place++) {
      indices[place] = (int32_t)best.entries[i].id;
      data[place] = (float)best.entries[i].score;
    }
    indptr[r + 1] = place;
  }
}

int similar_rows(const csr_matrix* matrix, const csr_matrix* transposed, int64_t k,
                 double shrinkage, int64_t* indptr, int32_t* indices, float* data) {
  accumulator dots;
  int result = accumulator_create(&dots, matrix->num_rows);
  double* norms = malloc((size_t)(matrix->num_rows + 1) * sizeof(double));
  scored* entries = malloc((size_t)(k + 1) * sizeof(scored));
  if (!norms || !entries) result = OUT_OF_MEMORY;
  if (result == 0) {
    fill_norms(matrix, norms);
    fill_rows(matrix, transposed, shrinkage, &dots, norms, (best_list){entries, 0, k}, indptr,
              indices, data);
  }
  accumulator_release(&dots);
  free(norms);
  free(entries);
  return result;
}
