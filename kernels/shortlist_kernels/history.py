"""What the neighbours of a history say: `score_neighbours`, `search_neighbours`; `decay_weights` for what is old."""

from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Csr, Float32, Int64
from shortlist_kernels.filters import filters, row_lookup


def decay_weights(ages: Any, half_life: float) -> Float32:
    """Weights of a history for `score_neighbours`: 2 ** (-age / half_life), float32 of the shape of `ages`.

    An age is the time since an interaction, or the number of those after it, in the unit of half_life: finite and not
    negative. half_life is above 0.
    """
    array = checks.as_array("ages", ages)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"ages must be numbers, got {array.dtype}")
    checks.finite("ages", array)
    if array.size and array.min() < 0:
        raise ValueError(f"ages must be >= 0, got {array.min()}")
    half_life = checks.finite_number("half_life", half_life, minimum=0.0)
    if half_life == 0.0:
        raise ValueError(f"half_life must be > 0, got {half_life}")
    return np.asarray(np.exp2(-(array.astype(np.float64) / half_life)), np.float32)


def score_neighbours(neighbours: Csr, history: Any, candidates: Any) -> Float32:
    """float32 (Q, M): for each candidate, the sum of weight * similarity over the history of its query.

    history: (indptr int64 (Q + 1), rows int32 (H), weights float32 (H)), summed in float64 in the order given.
    candidates: int64 (Q, M) columns of `neighbours`; -1 scores 0, and so does what no history row has as a neighbour.
    """
    matrix = checks.sparse_matrix_form("neighbours", neighbours)
    batch = checks.history(history, matrix.shape[0])
    candidates_QM = checks.integers("candidates", candidates, ndim=2)
    if len(candidates_QM) != batch.indptr.size - 1:
        raise ValueError(f"candidates must have one row per query ({batch.indptr.size - 1}), got {len(candidates_QM)}")
    checks.within("candidates", candidates_QM, -1, matrix.shape[1] - 1)
    return dispatch.active().score_neighbours(matrix, batch, candidates_QM)


def search_neighbours(
    neighbours: Csr, history: Any, k: int, mask: Any = None, exclude: Any = None
) -> tuple[Float32, Int64]:
    """The k columns with the best scores of `score_neighbours`: scores float32 (Q, k) and ids int64 (Q, k).

    Only columns with a non-zero score, by (score descending, id ascending), padded with -inf and -1. mask and exclude
    are those of `VectorIndex.search`.
    """
    matrix = checks.sparse_matrix_form("neighbours", neighbours)
    batch = checks.history(history, matrix.shape[0])
    num_columns = matrix.shape[1]
    rules = filters(exclude, None, mask, batch.indptr.size - 1, num_columns, row_lookup(num_columns))
    return dispatch.active().search_neighbours(matrix, batch, checks.whole_number("k", k, minimum=0), rules)
