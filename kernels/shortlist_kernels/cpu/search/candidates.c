#include "candidates.h"

void raise_floor(shared_floor* floor, double value) {
  double seen = read_floor(floor);
  while (value > seen && !atomic_compare_exchange_weak_explicit(
                             floor, &seen, value, memory_order_relaxed, memory_order_relaxed)) {
  }
}

static void swap(candidate* left, candidate* right) {
  candidate held = *left;
  *left = *right;
  *right = held;
}

static double median_estimate(const candidate* entries, int64_t low, int64_t high) {
  double a = entries[low].estimate, b = entries[low + (high - low) / 2].estimate,
         c = entries[high].estimate;
  if (a > b) return b > c ? b : (a > c ? c : a);
  return a > c ? a : (b > c ? c : b);
}

// Hoare's selection; equal estimates split evenly, so that many ties stay linear.
void largest_first(candidate* entries, int64_t size, int64_t count) {
  int64_t low = 0, high = size - 1;
  while (low < high) {
    double pivot = median_estimate(entries, low, high);
    int64_t left = low, right = high;
    while (left <= right) {
      while (entries[left].estimate > pivot) left++;
      while (entries[right].estimate < pivot) right--;
      if (left <= right) swap(&entries[left++], &entries[right--]);
    }
    if (count - 1 <= right)
      high = right;
    else if (count - 1 >= left)
      low = left;
    else
      return;
  }
}

void drop_below(candidate_list* list, double floor) {
  int64_t kept = 0;
  for (int64_t i = 0; i < list->size; i++)
    if (upper_bound(list->entries[i]) >= floor) list->entries[kept++] = list->entries[i];
  list->size = kept;
}
