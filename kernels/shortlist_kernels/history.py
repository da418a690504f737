"""What the neighbours of a history say: `score_neighbours`, `search_neighbours`."""

from typing import Any

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Csr, Float32, Int64
from shortlist_kernels.filters import filters, row_lookup


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
