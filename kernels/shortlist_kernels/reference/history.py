"""What the neighbours of a history say of other items."""

import numpy as np

from shortlist_kernels.arrays import Csr, Filters, Float32, Float64, History, Int64
from shortlist_kernels.reference.scores import to_float32
from shortlist_kernels.reference.search import allowed


def accumulate(neighbours: Csr, history: History, query: int) -> Float64:
    """Sum over the history of weight * similarity, for every column: float64 (C,)."""
    sums_C = np.zeros(neighbours.shape[1])
    for place in range(history.indptr[query], history.indptr[query + 1]):
        row = int(history.rows[place])
        start, end = int(neighbours.indptr[row]), int(neighbours.indptr[row + 1])
        if not _is_sound(neighbours, start, end):
            raise ValueError(f"neighbours must have indptr and indices in range and finite data, got a bad row {row}")
        similarities = neighbours.data[start:end].astype(np.float64)
        np.add.at(sums_C, neighbours.indices[start:end], np.float64(history.weights[place]) * similarities)
    return sums_C


def _is_sound(matrix: Csr, start: int, end: int) -> bool:
    """Whether a row can be read: the matrix may come from a file that was damaged."""
    if not 0 <= start <= end <= matrix.indices.size:
        return False
    columns = matrix.indices[start:end]
    in_range = (columns >= 0) & (columns < matrix.shape[1])
    return bool((in_range & np.isfinite(matrix.data[start:end])).all())


def score_neighbours(neighbours: Csr, history: History, candidates_QM: Int64) -> Float32:
    """`accumulate` at the candidates of each query; 0 at candidate -1."""
    scores_QM = np.zeros(candidates_QM.shape, np.float32)
    for query, candidates in enumerate(candidates_QM):
        sums_C = accumulate(neighbours, history, query)
        known = candidates >= 0
        scores_QM[query, known] = to_float32(sums_C[candidates[known]])
    return scores_QM


def search_neighbours(neighbours: Csr, history: History, k: int, filters: Filters) -> tuple[Float32, Int64]:
    """The k allowed columns with non-zero sums by (sum rounded to float32 descending, column ascending)."""
    num_queries = history.indptr.size - 1
    scores_QK = np.full((num_queries, k), -np.inf, np.float32)
    ids_QK = np.full((num_queries, k), -1, np.int64)
    for query in range(num_queries):
        sums_C = accumulate(neighbours, history, query)
        columns = np.flatnonzero(allowed(filters, query, sums_C.size) & (sums_C != 0))
        scores = to_float32(sums_C[columns])
        order = np.lexsort((columns, -scores))[:k]
        best = columns[order]
        scores_QK[query, : best.size] = scores[order]
        ids_QK[query, : best.size] = best
    return scores_QK, ids_QK
