"""Neighbourhoods of a sparse matrix: `neighbours` finds them, `score_neighbours` and `search_neighbours` use them."""

from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Csr, Float32, Int64
from shortlist_kernels.filters import filters, row_lookup

SIMILARITIES = ("cosine",)
AXES = ("items", "users")


def neighbours(
    interactions_csr: Any, k: int, similarity: str = "cosine", shrinkage: float = 0.0, axis: str = "items"
) -> Csr:
    """The k nearest neighbours of each item (column) or user (row) of a users x items matrix, as a square Csr.

    cosine: dot / (|a| * |b| + shrinkage). Rows are in order of (similarity descending, index ascending); an item is not
    its own neighbour, and pairs whose dot product is 0 are left out. The matrix is a Csr, a scipy csr_matrix or
    anything with indptr, indices, data and shape; its values are read as float32.
    """
    matrix = checks.sparse_matrix("interactions_csr", interactions_csr)
    k = checks.whole_number("k", k, minimum=0)
    checks.one_of("similarity", similarity, SIMILARITIES)
    checks.one_of("axis", axis, AXES)
    shrinkage = checks.finite_number("shrinkage", shrinkage, minimum=0.0)
    transposed = transpose(matrix)
    pair = (transposed, matrix) if axis == "items" else (matrix, transposed)
    return dispatch.active().similar_rows(*pair, min(k, pair[0].shape[0]), shrinkage)


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


def transpose(matrix: Csr) -> Csr:
    """The transposed matrix; its rows ascend too."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
    order = np.argsort(matrix.indices, kind="stable")
    indptr = np.zeros(matrix.shape[1] + 1, np.int64)
    np.cumsum(np.bincount(matrix.indices, minlength=matrix.shape[1]), out=indptr[1:])
    return Csr(indptr, rows[order], matrix.data[order], (matrix.shape[1], matrix.shape[0]))
