"""Candidates by score, and what an order gives up."""

import numpy as np

from shortlist_kernels.arrays import Float64, Int64


def by_score(scores_N: Float64) -> Int64:
    """The positions of scores above -inf by (score descending, position ascending)."""
    return np.argsort(-scores_N, kind="stable")[: int((scores_N != -np.inf).sum())]


def relevance_lost(scores_N: Float64, taken: Int64) -> float:
    """The sum of as many best scores, best first, minus the sum of those taken, in the order in which they were."""
    best = by_score(scores_N)[: taken.size]
    return _sum_in_order(scores_N[best]) - _sum_in_order(scores_N[taken])


def _sum_in_order(values: Float64) -> float:
    total = 0.0
    for value in values:
        total += float(value)
    return total
