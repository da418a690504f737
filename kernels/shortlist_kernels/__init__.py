"""The fast parts of Shortlist: exact vector search, selection, neighbourhoods, fusion and re-ranking over NumPy arrays.

Public functions check their arguments and call the backend that `dispatch` chose.

index.py        VectorIndex; store.py: its arrays; index_file.py: save and load; filters.py: exclude, allow, mask
lock.py         many searches or one change
selection.py    topk
similarity.py   neighbours, score_neighbours, search_neighbours
fusion.py       fuse
rerank/         mmr; calibrate, capped, exposure, freshness
dispatch.py     which backend computes: isa_info
reference/      the definition of every operation, in NumPy
cpu/            the same in C, one file per instruction set under cpu/simd/
arrays.py       the array types that pass between them; checks.py: what callers hand in
"""

from shortlist_kernels import rerank
from shortlist_kernels.arrays import Csr
from shortlist_kernels.cpu._cpu import available_cores
from shortlist_kernels.dispatch import isa_info
from shortlist_kernels.fusion import fuse
from shortlist_kernels.index import VectorIndex
from shortlist_kernels.selection import topk
from shortlist_kernels.similarity import neighbours, score_neighbours, search_neighbours

__all__ = [
    "Csr",
    "VectorIndex",
    "available_cores",
    "fuse",
    "isa_info",
    "neighbours",
    "rerank",
    "score_neighbours",
    "search_neighbours",
    "topk",
]
