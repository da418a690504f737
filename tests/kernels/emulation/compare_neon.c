// Runs neon.c beside baseline.c on random data and stops at the first difference (`make neon`).
#define _GNU_SOURCE  // MAP_ANONYMOUS

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "simd/simd.h"

enum { PAGE = 65536, MAX_ROWS = 9, MAX_DIM = 70, MAX_QUADS = 600, NUM_ROUNDS = 3000 };

static uint64_t state = 1;

static int64_t below(int64_t limit) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (int64_t)((state >> 33) % (uint64_t)limit);
}

static double real(void) {
  return ldexp((double)(below(1 << 30) - (1 << 29)), (int)below(40) - 50);
}

static void stop(const char* what, int64_t a, int64_t b, int64_t c) {
  printf("%s differs (%lld, %lld, %lld)\n", what, (long long)a, (long long)b, (long long)c);
  exit(1);
}

// Memory that ends where nothing can be read.
static uint8_t* map_before_hole(size_t capacity) {
  size_t size = (capacity + PAGE - 1) / PAGE * PAGE;
  uint8_t* start = mmap(0, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED || mprotect(start + size, PAGE, PROT_NONE)) exit(2);
  return start + size;
}

static void compare_sums(uint8_t* end_of_rows) {
  int64_t num_rows = 1 + below(MAX_ROWS), dim = 1 + below(MAX_DIM);
  float* rows = (float*)end_of_rows - num_rows * dim;
  double exact[MAX_DIM + LANES] = {0}, query[MAX_DIM + LANES] = {0}, means[MAX_ROWS];
  double wanted[MAX_ROWS], got[MAX_ROWS];
  for (int64_t i = 0; i < num_rows * dim; i++) rows[i] = (float)real();
  for (int64_t d = 0; d < dim; d++) exact[d] = (float)(query[d] = real());
  for (int64_t i = 0; i < num_rows; i++) means[i] = real();
  size_t size = (size_t)num_rows * sizeof(double);
  simd_baseline.dot(rows, num_rows, dim, exact, wanted);
  simd_neon.dot(rows, num_rows, dim, exact, got);
  if (memcmp(wanted, got, size)) stop("dot", num_rows, dim, 0);
  simd_baseline.centred_dot(rows, num_rows, dim, query, means, wanted);
  simd_neon.centred_dot(rows, num_rows, dim, query, means, got);
  if (memcmp(wanted, got, size)) stop("centred_dot", num_rows, dim, 0);
  simd_baseline.squared_distance(rows, num_rows, dim, query, wanted);
  simd_neon.squared_distance(rows, num_rows, dim, query, got);
  if (memcmp(wanted, got, size)) stop("squared_distance", num_rows, dim, 0);
  double queries[MAX_ROWS * (MAX_DIM + LANES)] = {0};
  for (int64_t i = 0; i < num_rows; i++)
    for (int64_t d = 0; d < dim; d++) queries[i * padded_dim(dim) + d] = real();
  const float* last_row = rows + (num_rows - 1) * dim;
  simd_baseline.project(last_row, dim, queries, num_rows, wanted);
  simd_neon.project(last_row, dim, queries, num_rows, got);
  if (memcmp(wanted, got, size)) stop("project", num_rows, dim, 0);
}

static int by_query_and_item(const void* left, const void* right) {
  const scan_hit *a = left, *b = right;
  return a->query != b->query ? a->query - b->query : a->item - b->item;
}

static int64_t sorted_hits(const simd_set* simd, const code_strip* strip,
                           const query_block* queries, scan_hit* hits) {
  int64_t count = simd->scan(strip, queries, hits);
  qsort(hits, (size_t)count, sizeof(*hits), by_query_and_item);
  return count;
}

// Whole numbers, small enough that the right side of the comparison is exact.
static int64_t compare_scans(uint8_t* end_of_codes) {
  static int8_t query_codes[QUERY_BLOCK * (MAX_QUADS * QUAD + 64)];
  static float inverses[STRIP], limits[QUERY_BLOCK], units[QUERY_BLOCK], margins[QUERY_BLOCK];
  static float offsets[QUERY_BLOCK * STRIP];
  static scan_hit wanted[STRIP * QUERY_BLOCK], got[STRIP * QUERY_BLOCK];
  int64_t num_queries = 1 + below(QUERY_BLOCK), num_groups = 1 + below(STRIP / GROUP);
  int64_t num_quads = 1 + below(below(4) ? 40 : MAX_QUADS);
  int64_t dim = num_quads * QUAD - below(QUAD), stride = (num_quads * QUAD + 63) / 64 * 64;
  int64_t num_codes = num_groups * GROUP * num_quads * QUAD;
  uint8_t* codes = end_of_codes - CODE_PADDING - num_codes;
  for (int64_t i = 0; i < num_codes; i++) codes[i] = (uint8_t)(1 + below(127));
  memset(codes + num_codes, 255, CODE_PADDING);
  for (int64_t q = 0; q < QUERY_BLOCK; q++)
    for (int64_t d = 0; d < stride; d++)
      query_codes[q * stride + d] = (int8_t)(d < dim || q >= num_queries ? below(255) - 127 : 0);
  for (int64_t i = 0; i < STRIP; i++) inverses[i] = below(8) ? (float)(1 << below(3)) : NAN;
  for (int64_t i = 0; i < QUERY_BLOCK * STRIP; i++) offsets[i] = (float)(below(41) - 20);
  for (int64_t q = 0; q < num_queries; q++) {
    limits[q] = below(10) ? (float)(below(400000) - 200000) : (below(2) ? INFINITY : -INFINITY);
    units[q] = (float)(below(9) - 4);
    margins[q] = (float)below(50);
  }
  code_strip strip = {codes, inverses, num_groups, num_quads};
  query_block queries = {query_codes, stride,  num_queries, limits,
                         units,       margins, offsets,     below(2) ? STRIP : 0};
  int64_t count = sorted_hits(&simd_baseline, &strip, &queries, wanted);
  if (sorted_hits(&simd_neon, &strip, &queries, got) != count ||
      memcmp(wanted, got, (size_t)count * sizeof(*got)))
    stop("scan", num_queries, num_groups, num_quads);
  return count;
}

int main(void) {
  if (!simd_neon.is_supported()) {
    printf("this processor has no int8 dot products\n");
    return 2;
  }
  uint8_t* end_of_rows = map_before_hole(MAX_ROWS * MAX_DIM * sizeof(float));
  uint8_t* end_of_codes = map_before_hole(STRIP * MAX_QUADS * QUAD + CODE_PADDING);
  int64_t num_hits = 0;
  for (int i = 0; i < NUM_ROUNDS; i++) compare_sums(end_of_rows);
  for (int i = 0; i < NUM_ROUNDS / 10; i++) num_hits += compare_scans(end_of_codes);
  printf("neon equals baseline: %d sums, %d scans with %lld hits\n", NUM_ROUNDS, NUM_ROUNDS / 10,
         (long long)num_hits);
  return 0;
}
