// Runs the parts of one call side by side.
#ifndef SHORTLIST_THREADS_H
#define SHORTLIST_THREADS_H

#include <stdint.h>

enum { MAX_PARTS = 64 };

// Calls work(context, part) for part 0 to num_parts - 1, at most MAX_PARTS. The caller does part 0;
// the others run on threads that start and end within this call, so that nothing is left behind
// that a fork could break. A part whose thread cannot start is done by the caller.
void run_parts(int64_t num_parts, void (*work)(void* context, int64_t part), void* context);

#endif
