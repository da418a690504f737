"""The definition of every operation, in NumPy. Every other backend returns the same bits; tests compare them.

Arguments were checked by the public functions; see `dispatch.Backend` for the names that a backend has.

The order of sums is part of the definition. Sums over the dimensions of a vector are taken in float64 over eight lanes
(`lane_sum`); a product of two float32 is exact in float64, so no instruction set can round it differently. Sums over
histories, users and lists are taken one after the other in the order of their entries.

scores.py      metrics and sums
search.py      score, search, search_range, topk
neighbours.py  transpose, row_totals, similar_rows
history.py     score_neighbours, search_neighbours
ratings.py     predict_ratings
fusion.py      fuse
diversity.py   mmr, dpp
calibration.py calibrate
caps.py        capped
exposure.py    exposure
"""

from shortlist_kernels.reference.calibration import calibrate
from shortlist_kernels.reference.caps import capped
from shortlist_kernels.reference.diversity import dpp, mmr
from shortlist_kernels.reference.exposure import exposure
from shortlist_kernels.reference.fusion import fuse
from shortlist_kernels.reference.history import score_neighbours, search_neighbours
from shortlist_kernels.reference.neighbours import row_totals, similar_rows, transpose
from shortlist_kernels.reference.ratings import predict_ratings
from shortlist_kernels.reference.scores import lane_sum, row_statistics, similarity, to_float32
from shortlist_kernels.reference.search import allowed, score, search, search_range, topk

name = "reference"
isa = "numpy"

__all__ = [
    "allowed",
    "calibrate",
    "capped",
    "dpp",
    "exposure",
    "fuse",
    "isa",
    "lane_sum",
    "mmr",
    "name",
    "predict_ratings",
    "row_statistics",
    "row_totals",
    "score",
    "score_neighbours",
    "search",
    "search_neighbours",
    "search_range",
    "similar_rows",
    "similarity",
    "to_float32",
    "topk",
    "transpose",
]
