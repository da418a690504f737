// How many cores this process may use.
#ifndef SHORTLIST_CORES_H
#define SHORTLIST_CORES_H

#include <stdint.h>

// What the affinity mask of the calling thread and the quota of the process's cgroup allow, at
// least 1. The quota is read once in a process.
int64_t available_cores(void);

// The quota of the process's cgroup or, where it is lower, of one above it, in cores, rounded up;
// INT64_MAX where none is set. Reads ROOT/proc/self/cgroup and ROOT/sys/fs/cgroup, of version 2 or
// 1; `root` is "" but in tests.
int64_t quota_cores(const char* root);

#endif
