"""Re-ranking by age: `freshness`."""

from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Float64, Int64
from shortlist_kernels.rerank.candidates import all_within, candidates, fractions, refuse


def freshness(
    scores: Any, ages: Any, k: int, half_life: Any, weight: Any, num_threads: int | None = None
) -> tuple[Int64, Float64]:
    """Takes the k candidates with the largest (1 - weight) * score + weight * 2 ** (-age / half_life).

    The decay is added, as scores may be negative, where a factor would put the old before the new: bring them to the
    order of the decay's 0 to 1. In float64, equal values by smaller position.

    scores: float32, or float64 in its range, (n,) or (Q, n); candidates with -inf are never taken. ages: numbers >= 0
    of that shape, in the unit of half_life. half_life: > 0, one or one per user. weight: within 0 to 1, one or one per
    user. Returns positions, int64 (k,) or (Q, k), padded with -1, and the relevance lost, float64 scalar or (Q,): the
    sum of as many best scores minus the sum of those taken.
    """
    users = candidates(scores)
    k = checks.whole_number("k", k, minimum=0)
    if num_threads is not None:
        num_threads = checks.whole_number("num_threads", num_threads, minimum=1)
    num_queries = len(users.scores_QN)
    values_QN = _values(users.scores_QN, _ages(ages, users.shape), half_life, fractions("weight", weight, num_queries))
    topk = dispatch.active().topk
    best_QK, order_QK = topk(values_QN, k, num_threads)
    order_QK[best_QK == -np.inf] = -1
    is_there_QK = order_QK >= 0
    taken_QK = np.take_along_axis(users.scores_QN, np.maximum(order_QK, 0), 1) if users.scores_QN.size else best_QK
    largest_QK, _ = topk(users.scores_QN, k, num_threads)
    lost_Q = _row_sums(np.where(is_there_QK, largest_QK, 0.0)) - _row_sums(np.where(is_there_QK, taken_QK, 0.0))
    return users.answer(order_QK, lost_Q)


def _ages(ages: Any, shape: tuple[int, ...]) -> Float64:
    array = checks.as_array("ages", ages)
    if array.dtype.kind not in "iuf" or array.shape != shape:
        raise ValueError(f"ages must be numbers of shape {shape}, got {array.dtype} of shape {array.shape}")
    if not all_within(array, 0, checks.FLOAT64_LIMIT):
        checks.finite("ages", array)
        refuse("ages", "at least 0", array, array < 0)
    return checks.in_c_order(np.atleast_2d(array), np.float64)


def _values(scores_QN: Float64, ages_QN: Float64, half_life: Any, weight_Q: Float64) -> Float64:
    half_life_Q = checks.numbers_per_query("half_life", half_life, len(scores_QN))
    refuse("half_life", "above 0", half_life_Q, ~(half_life_Q > 0))
    # In place, as fresh memory for 64 x 1000 numbers costs more than computing them.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        decay_QN = ages_QN / -half_life_Q[:, np.newaxis]
        np.exp2(decay_QN, out=decay_QN)
        decay_QN *= weight_Q[:, np.newaxis]
        values_QN = scores_QN * (1.0 - weight_Q)[:, np.newaxis]
        values_QN += decay_QN
    if scores_QN.min(initial=0.0) == -np.inf:
        values_QN[scores_QN == -np.inf] = -np.inf  # a weight of 1 makes NaN of it
    return values_QN


def _row_sums(values_QK: Float64) -> Float64:
    """Sums one value after the other."""
    return np.cumsum(values_QK, axis=1)[:, -1] if values_QK.shape[1] else np.zeros(len(values_QK))
