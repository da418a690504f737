"""How much each history item speaks for each result.

Shapes: K results, L history items (oldest first), D dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import VectorIndex
from shortlist_server.pipeline.query import Diversity
from shortlist_server.pipeline.sources.item_neighbours import ItemNeighbours

LEAST_RESIDUAL = 1e-10


def neighbour_contributions(
    source: ItemNeighbours, history_L: NDArray[np.int64], rows_K: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The exact parts of the source's score, (K, L): history weight x similarity; each row sums to that score."""
    contributions_KL = np.zeros((len(rows_K), len(history_L)), dtype=np.float64)
    order = np.argsort(rows_K)
    sorted_rows = rows_K[order]
    weights_L = source.history_weights(len(history_L)).astype(np.float64)
    for position, row in enumerate(history_L):
        entries = slice(source.neighbours.indptr[row], source.neighbours.indptr[row + 1])
        indices, similarities = source.neighbours.indices[entries], source.neighbours.data[entries]
        places = np.minimum(np.searchsorted(sorted_rows, indices), max(len(rows_K) - 1, 0))
        matches = np.flatnonzero(sorted_rows[places] == indices)
        contributions_KL[order[places[matches]], position] = weights_L[position] * similarities[matches]
    return contributions_KL


def likeness(vectors: VectorIndex, rows_K: NDArray[np.int64], others_L: NDArray[np.int64]) -> NDArray[np.float64]:
    """The cosine of the vectors of results and of other items, (K, L); 0 where a vector is 0."""
    unit_KD, unit_LD = (_unit(vectors.vectors(rows).astype(np.float64)) for rows in (rows_K, others_L))
    return np.asarray(unit_KD @ unit_LD.T)


def diversity_penalties(vectors: VectorIndex, rows_K: NDArray[np.int64], diversity: Diversity) -> NDArray[np.float64]:
    """What the method of `diversity` took off the score of each item for the items placed before it, (K,).

    "mmr": strength x the largest cosine to one of them. "dpp": strength x -log of the residual, the squared length of
    what is left of the item's unit vector when its projection on theirs is taken away, at least 1e-10; 0 where the
    vector is 0. Nothing for the first.
    """
    if diversity.method == "dpp":
        unit_KD = _unit(vectors.vectors(rows_K).astype(np.float64))
        return np.asarray(diversity.strength * np.abs(np.log(_residuals(unit_KD))))
    cosines_KK = likeness(vectors, rows_K, rows_K)
    penalties_K = np.zeros(len(rows_K), dtype=np.float64)
    for place in range(1, len(rows_K)):
        penalties_K[place] = diversity.strength * cosines_KK[place, :place].max()
    return penalties_K


def _residuals(unit_KD: NDArray[np.float64]) -> NDArray[np.float64]:
    """The squared length of the part of each vector that is orthogonal to all before it, as `rerank.dpp` has it.

    1 for a vector of zeros; a vector below 1e-10 is a combination of the others and adds no direction.
    """
    residuals_K = np.ones(len(unit_KD), dtype=np.float64)
    basis_RD = np.zeros_like(unit_KD[: unit_KD.shape[1]])
    rank = 0
    for place in np.flatnonzero(unit_KD.any(axis=1)):
        left_D = unit_KD[place] - unit_KD[place] @ basis_RD[:rank].T @ basis_RD[:rank]
        residuals_K[place] = max(float(left_D @ left_D), LEAST_RESIDUAL)
        if residuals_K[place] > LEAST_RESIDUAL and rank < len(basis_RD):
            basis_RD[rank] = left_D / np.linalg.norm(left_D)
            rank += 1
    return np.minimum(residuals_K, 1.0)


def _unit(vectors_ND: NDArray[np.float64]) -> NDArray[np.float64]:
    norms_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors_ND, norms_N1, out=np.zeros_like(vectors_ND), where=norms_N1 > 0.0))
