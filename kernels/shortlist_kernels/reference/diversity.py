"""Re-ranking for diversity."""

import numpy as np

from shortlist_kernels.arrays import Float32, Float64, Int64
from shortlist_kernels.reference.ranks import relevance_lost
from shortlist_kernels.reference.scores import lane_sum, row_statistics, similarity

LEAST_RESIDUAL = 1e-10  # rounding of float32 vectors leaves about 1e-14 of a residual that is 0
CANCELLING_RESIDUAL = 0.5


def mmr(
    vectors_QND: Float32, scores_QN: Float64, k: int, diversity_Q: Float64, num_threads: int | None
) -> tuple[Int64, Float64]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998), greedy; see `rerank.mmr` for the formula."""
    order_QK = np.full((len(scores_QN), k), -1, np.int64)
    lost_Q = np.zeros(len(scores_QN))
    for query, (vectors_ND, scores_N) in enumerate(zip(vectors_QND, scores_QN, strict=True)):
        diversity, keep = diversity_Q[query], 1.0 - diversity_Q[query]
        statistics = row_statistics("cosine", vectors_ND)
        open_N = scores_N != -np.inf
        num_selected = min(k, int(open_N.sum()))
        relevance_N = keep * np.where(open_N, scores_N, 0.0)
        closest_N = np.zeros(scores_N.size)
        for place in range(num_selected):
            values_N = np.where(open_N, relevance_N - diversity * closest_N, -np.inf)
            chosen = int(np.argmax(values_N))
            open_N[chosen] = False
            order_QK[query, place] = chosen
            cosines_N = similarity("cosine", vectors_ND[chosen], vectors_ND, statistics)
            closest_N = cosines_N if place == 0 else np.maximum(closest_N, cosines_N)
        lost_Q[query] = relevance_lost(scores_N, order_QK[query, :num_selected])
    return order_QK, lost_Q


def dpp(
    vectors_QND: Float32, scores_QN: Float64, weights_QN: Float64, k: int, num_threads: int | None
) -> tuple[Int64, Float64]:
    """Greedy MAP inference for a determinantal point process (Chen, Zhang and Zhou 2018), then the best scores left.

    `weights_QN` is the diagonal of the kernel, see `rerank.dpp`: within 0 to 1, the same order as the scores.
    """
    order_QK = np.full((len(scores_QN), k), -1, np.int64)
    lost_Q = np.zeros(len(scores_QN))
    for query, scores_N in enumerate(scores_QN):
        taken = _raise_determinant(vectors_QND[query], scores_N, weights_QN[query], k)
        open_N = scores_N != -np.inf
        open_N[taken] = False
        left = np.flatnonzero(open_N)
        taken.extend(left[np.argsort(-scores_N[left], kind="stable")][: k - len(taken)].tolist())
        order_QK[query, : len(taken)] = taken
        lost_Q[query] = relevance_lost(scores_N, np.array(taken, np.int64))
    return order_QK, lost_Q


def _raise_determinant(vectors_ND: Float32, scores_N: Float64, weights_N: Float64, k: int) -> list[int]:
    """Positions in the order taken, while the determinant gains.

    The kernel is diag(sqrt(w)) S diag(sqrt(w)); the rows of the Cholesky factor of S are the coordinates of the vectors
    in an orthonormal basis of those taken. What is left of the 1 on the diagonal of S is the residual.
    """
    norms_N = row_statistics("cosine", vectors_ND).norms_N
    inverses_N = np.divide(1.0, norms_N, out=np.zeros(norms_N.size), where=norms_N != 0.0)
    open_N = scores_N != -np.inf
    residuals_N = np.ones(scores_N.size)
    basis: list[Float64] = []
    taken: list[int] = []
    for _ in range(min(k, int(open_N.sum()))):
        gains_N = np.where(open_N & (residuals_N > LEAST_RESIDUAL), weights_N * residuals_N, 0.0)
        chosen = int(np.argmax(gains_N))
        if gains_N[chosen] == 0.0:
            break
        open_N[chosen] = False
        taken.append(chosen)
        if norms_N[chosen] == 0.0:
            continue
        basis.append(_direction(vectors_ND[chosen], inverses_N[chosen], residuals_N[chosen], basis))
        parts_N = lane_sum(vectors_ND * basis[-1]) * inverses_N
        residuals_N -= parts_N * parts_N
    return taken


def _direction(vector_D: Float32, inverse: np.float64, residual: float, basis: list[Float64]) -> Float64:
    """The vector of length 1, minus its parts along the basis, of length 1 again: Gram-Schmidt.

    Where much cancels, rounding leaves it not quite orthogonal, and doing it twice is enough (Giraud et al. 2005).
    """
    direction_D = vector_D * inverse
    parts = [lane_sum(vector_D * other_D) * inverse for other_D in basis]
    for part, other_D in zip(parts, basis, strict=True):
        direction_D = direction_D - part * other_D
    if residual < CANCELLING_RESIDUAL:
        parts = [lane_sum(direction_D * other_D) for other_D in basis]
        for part, other_D in zip(parts, basis, strict=True):
            direction_D = direction_D - part * other_D
    return np.asarray(direction_D * (1.0 / np.sqrt(lane_sum(direction_D * direction_D))))
