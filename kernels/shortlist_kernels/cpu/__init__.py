"""The kernels in C.

backend.py      `dispatch.Backend`: makes the outputs and calls `_cpu`
_cpu.pyx        hands arrays to C and releases the GIL around one call; the .pxi files are its parts
kernels.h       what C offers to it
vectors.c       norms and scores of rows; finite.c: whether all values of an array are finite
search/         the items of an index, and the ways to search them
selection/      the largest of rows of numbers, and of streams
neighbours/     sparse rows that are alike, and what they say of histories and ratings
fusion/         ranked lists into one
rerank/         greedy diversity, calibration, caps, exposure
threads/        runs the tasks of a call; how many may run at once
simd/           what the others compute with, one file per instruction set (topk_*.c: one more for topk); detect.c:
                which are compiled in; simd.h, scan.h and topk.h: what each provides
"""

try:
    from shortlist_kernels.cpu import _cpu as _cpu
except ImportError as error:
    raise ImportError(f"shortlist_kernels is not compiled: run `make install` ({error})") from error
