#define _GNU_SOURCE  // sched_getaffinity

#include "cores.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, MAX_CPUS = 1 << 20 };

// Reads at most two numbers from the start of a file and returns how many there were.
static int read_numbers(const char* folder, const char* name, int64_t* first, int64_t* second) {
  char path[PATH_SIZE];
  int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
  FILE* file = length < PATH_SIZE ? fopen(path, "re") : NULL;
  if (!file) return 0;
  int count = fscanf(file, "%" SCNd64 " %" SCNd64, first, second);
  fclose(file);
  return count;
}

// A quota that is not set reads "max" in version 2 and -1 in version 1.
static int64_t folder_cores(const char* folder, bool is_v1) {
  int64_t quota = -1, period = -1, unused;
  if (is_v1) {
    read_numbers(folder, "cpu.cfs_quota_us", &quota, &unused);
    read_numbers(folder, "cpu.cfs_period_us", &period, &unused);
  } else {
    read_numbers(folder, "cpu.max", &quota, &period);
  }
  if (quota <= 0 || period <= 0) return INT64_MAX;
  return quota / period + (quota % period != 0);
}

// The lowest quota of a group and those above it; cuts `group` short. A container may see only the
// top of the tree, where its own group then is, under a path that is not there: so go on upwards.
static int64_t group_cores(const char* root, const char* mount, char* group, bool is_v1) {
  int64_t lowest = INT64_MAX;
  for (;;) {
    char folder[PATH_SIZE];
    if (snprintf(folder, sizeof(folder), "%s%s%s", root, mount, group) < PATH_SIZE) {
      int64_t cores = folder_cores(folder, is_v1);
      if (cores < lowest) lowest = cores;
    }
    char* last = strrchr(group, '/');
    if (!last) return lowest;
    *last = 0;
  }
}

static bool is_listed(const char* name, const char* names) {
  size_t length = strlen(name);
  for (;;) {
    size_t size = strcspn(names, ",");
    if (size == length && strncmp(names, name, size) == 0) return true;
    if (names[size] == 0) return false;
    names += size + 1;
  }
}

// A line is "hierarchy:controllers:path", without controllers for version 2.
static int64_t line_cores(const char* root, char* line) {
  char* controllers = strchr(line, ':');
  char* group = controllers ? strchr(controllers + 1, ':') : NULL;
  if (!group) return INT64_MAX;
  *controllers++ = 0;
  *group++ = 0;
  group[strcspn(group, "\n")] = 0;
  if (*controllers == 0) return group_cores(root, "/sys/fs/cgroup", group, false);
  if (is_listed("cpu", controllers)) return group_cores(root, "/sys/fs/cgroup/cpu", group, true);
  return INT64_MAX;
}

int64_t quota_cores(const char* root) {
  char path[PATH_SIZE], line[PATH_SIZE];
  int length = snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
  FILE* file = length < PATH_SIZE ? fopen(path, "re") : NULL;
  if (!file) return INT64_MAX;
  int64_t lowest = INT64_MAX;
  while (fgets(line, sizeof(line), file)) {
    int64_t cores = line_cores(root, line);
    if (cores < lowest) lowest = cores;
  }
  fclose(file);
  return lowest;
}

static int64_t affinity_cores(void) {
#ifdef CPU_ALLOC
  // The kernel refuses a mask shorter than its own, whose length it does not tell.
  for (int num_cpus = CPU_SETSIZE; num_cpus <= MAX_CPUS; num_cpus *= 2) {
    cpu_set_t* mask = CPU_ALLOC(num_cpus);
    if (!mask) break;
    size_t size = CPU_ALLOC_SIZE(num_cpus);
    int64_t count = sched_getaffinity(0, size, mask) == 0 ? CPU_COUNT_S(size, mask) : 0;
    bool is_short = count == 0 && errno == EINVAL;
    CPU_FREE(mask);
    if (count > 0) return count;
    if (!is_short) break;
  }
#endif
  return sysconf(_SC_NPROCESSORS_ONLN);
}

int64_t available_cores(void) {
  static _Atomic int64_t known_quota;  // 0: not read yet
  int64_t quota = atomic_load_explicit(&known_quota, memory_order_relaxed);
  if (quota == 0) {
    quota = quota_cores("");
    atomic_store_explicit(&known_quota, quota, memory_order_relaxed);
  }
  int64_t cores = affinity_cores();
  if (cores > quota) cores = quota;
  return cores > 1 ? cores : 1;
}
