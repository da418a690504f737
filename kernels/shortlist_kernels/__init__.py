"""The fast parts of Shortlist: exact vector search, selection, neighbourhoods, fusion and re-ranking over NumPy arrays.

Public functions check their arguments and call the backend that `dispatch` chose.

index.py        VectorIndex; store.py: its arrays; index_file.py: save and load; filters.py: exclude, allow, mask
lock.py         many searches or one change
selection.py    topk
similarity.py   neighbours; interactions.py: the matrix, prepared for many calls
history.py      score_neighbours, search_neighbours, decay_weights
ratings.py      predict_ratings, baselines
fusion.py       fuse
rerank/         mmr, dpp; calibrate, capped, exposure, freshness
dispatch.py     which backend computes: isa_info
reference/      the definition of every operation, in NumPy
cpu/            the same in C, one file per instruction set under cpu/simd/
cuda/           search, topk, fuse, mmr, dpp on a GPU; imported on demand
arrays.py       the array types that pass between them; checks.py: what callers hand in
"""

from shortlist_kernels import dispatch, rerank
from shortlist_kernels.arrays import Csr
from shortlist_kernels.cpu._cpu import available_cores
from shortlist_kernels.dispatch import isa_info
from shortlist_kernels.fusion import fuse
from shortlist_kernels.history import decay_weights, score_neighbours, search_neighbours
from shortlist_kernels.index import VectorIndex
from shortlist_kernels.interactions import Interactions
from shortlist_kernels.ratings import Baselines, baselines, predict_ratings
from shortlist_kernels.selection import topk
from shortlist_kernels.similarity import neighbours

__all__ = [
    "Baselines",
    "Csr",
    "Interactions",
    "VectorIndex",
    "available_cores",
    "baselines",
    "decay_weights",
    "fuse",
    "isa_info",
    "neighbours",
    "predict_ratings",
    "rerank",
    "score_neighbours",
    "search_neighbours",
    "topk",
]

# Last, as the kernels for a device use the modules above.
dispatch.use_device()
