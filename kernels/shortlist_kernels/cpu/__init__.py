"""The backend in C.

_cpu.pyx        hands arrays to C and releases the GIL around one call; nothing is computed there
backend.py      what `dispatch.Backend` asks for, on top of it
kernels.h       the C functions that Python calls

store.h         the items of an index: items.c changes them, encode.c makes their codes, id_table.c finds them by id
search.c        exact search: scan.c goes through the codes (queries.c, bounds.c, candidates.c), exhaustive.c scores all
vectors.c       the metrics in float64
topk.c          the largest of rows: collect.c finds candidates, keyed.c selects and sorts them by integer keys
similarity.c  history.c  mmr.c  the other operations
select.c        the best k of a stream, accumulator.c: sums of sparse rows, filter.h: masks and lists
threads.c       runs the tasks of a call, cores.c: how many may run at once
simd/           one file per instruction set (topk_*.c: one more for topk), detect.c: which are compiled in;
                simd.h, scan.h and topk.h: what each provides
"""

try:
    from shortlist_kernels.cpu import _cpu as _cpu
except ImportError as error:
    raise ImportError(f"shortlist_kernels is not compiled: run `make install` ({error})") from error
