// What an x86 processor and its operating system allow. Each function tests every bit that the code
// behind it relies on.
#ifndef SHORTLIST_PROCESSOR_H
#define SHORTLIST_PROCESSOR_H

int processor_has_avx512vnni(void);  // F, BW, DQ, VL and VNNI
int processor_has_amx(void);         // those, and the tiles of AMX with int8, for this process

#endif
