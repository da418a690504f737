"""Re-ranking for diversity."""

import numpy as np

from shortlist_kernels.arrays import Float32, Float64, Int64
from shortlist_kernels.reference.scores import row_statistics, similarity


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
        lost_Q[query] = _relevance_lost(scores_N, order_QK[query, :num_selected])
    return order_QK, lost_Q


def _relevance_lost(scores_N: Float64, taken: Int64) -> float:
    best = np.sort(scores_N)[::-1][: taken.size]
    return _sum_in_order(best) - _sum_in_order(scores_N[taken])


def _sum_in_order(values: Float64) -> float:
    total = 0.0
    for value in values:
        total += float(value)
    return total
