"""The definition of every operation, in NumPy. Every other backend returns the same bits; tests compare them.

Arguments were checked by the public functions; see `dispatch.Backend` for the names that a backend has.

The order of sums is part of the definition. Sums over the dimensions of a vector are taken in float64 over eight lanes
(`lane_sum`); a product of two float32 is exact in float64, so no instruction set can round it differently. Sums over
histories, users and lists are taken one after the other in the order of their entries.

scores.py      metrics and sums
search.py      score, search, search_range, topk
neighbours.py  similar_rows, score_neighbours, search_neighbours
diversity.py   mmr
calibration.py calibrate
caps.py        capped
exposure.py    exposure
"""

from shortlist_kernels.reference.calibration import calibrate
from shortlist_kernels.reference.caps import capped
from shortlist_kernels.reference.diversity import mmr
from shortlist_kernels.reference.exposure import exposure
from shortlist_kernels.reference.neighbours import score_neighbours, search_neighbours, similar_rows
from shortlist_kernels.reference.scores import lane_sum, row_statistics, similarity, to_float32
from shortlist_kernels.reference.search import allowed, score, search, search_range, topk

name = "reference"
isa = "numpy"

__all__ = [
    "allowed",
    "calibrate",
    "capped",
    "exposure",
    "isa",
    "lane_sum",
    "mmr",
    "name",
    "row_statistics",
    "score",
    "score_neighbours",
    "search",
    "search_neighbours",
    "search_range",
    "similar_rows",
    "similarity",
    "to_float32",
    "topk",
]
