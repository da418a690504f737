"""The backend in C.

_cpu.pyx        hands arrays to C and releases the GIL around one call; nothing is computed there
backend.py      what `dispatch.Backend` asks for, on top of it
kernels.h       the C functions, one file each: vectors.c search.c topk.c similarity.c history.c mmr.c
select.c        the best k of a stream, accumulator.c: sums of sparse rows, filter.h: masks and lists, threads.c
simd/           one file per instruction set, simd.h: what each provides, detect.c: which are compiled in
"""
