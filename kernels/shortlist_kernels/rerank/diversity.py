"""Re-ranking for diversity: `mmr`."""

from typing import Any, NamedTuple

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import AnyArray, Float32, Float64, Int64


class _Candidates(NamedTuple):
    """The checked arguments of a call; `is_single` if its arrays have no axis of queries."""

    vectors_QND: Float32
    scores_QN: Float64
    k: int
    diversity_Q: Float64
    num_threads: int | None
    is_single: bool


def mmr(vectors: Any, scores: Any, k: int, diversity: Any, num_threads: int | None = None) -> tuple[Int64, Float64]:
    """Picks k candidates one after the other by maximal marginal relevance (Carbonell and Goldstein 1998).

    Each step takes the largest (1 - diversity) * score - diversity * (largest cosine to those taken, 0 for the first),
    in float64, equal values by smaller position. Scores are used as given; candidates with score -inf are never taken.
    vectors: float32 (n, D) or (Q, n, D). scores: float32, or float64 in its range, (n,) or (Q, n). diversity: within 0
    to 1, one number or one per query. num_threads: how many threads share the queries; None means what pays, within
    the cores of the process. Returns the positions taken, int64 (k,) or (Q, k), padded with -1, and the relevance
    lost, float64 scalar or (Q,): the sum of as many best scores minus the sum of those taken.
    """
    given = _checked(vectors, scores, k, diversity, num_threads)
    answer = dispatch.active().mmr(given.vectors_QND, given.scores_QN, given.k, given.diversity_Q, given.num_threads)
    return _shaped(answer, given.is_single)


def _checked(vectors: Any, scores: Any, k: int, diversity: Any, num_threads: int | None) -> _Candidates:
    array = checks.as_array("scores", scores)
    if array.dtype not in (np.float32, np.float64) or array.ndim not in (1, 2):
        raise ValueError(f"scores must be float32 or float64 of 1 or 2 axes, got {array.dtype} of shape {array.shape}")
    _refuse_bad_scores(array)
    vectors_array = checks.float32s("vectors", vectors, (*array.shape, "D"))
    is_single = array.ndim == 1
    scores_QN = np.ascontiguousarray(np.atleast_2d(array), dtype=np.float64)
    vectors_QND = vectors_array[np.newaxis] if is_single else vectors_array
    k = checks.whole_number("k", k, minimum=0)
    diversity_Q = _diversities(diversity, len(scores_QN))
    if num_threads is not None:
        num_threads = checks.whole_number("num_threads", num_threads, minimum=1)
    return _Candidates(vectors_QND, scores_QN, k, diversity_Q, num_threads, is_single)


def _refuse_bad_scores(array: AnyArray) -> None:
    # One pass tells that all is well; NaN compares as false.
    if not np.abs(array).max(initial=0.0) <= checks.FLOAT32_LIMIT:
        checks.fits_float32("scores", np.where(array == -np.inf, 0, array))


def _diversities(diversity: Any, num_queries: int) -> Float64:
    array = checks.as_array("diversity", diversity)
    if array.dtype.kind not in "iuf" or array.shape not in ((), (num_queries,)):
        raise ValueError(f"diversity must be one number or one per query ({num_queries}), got {diversity!r}")
    bad = ~((array >= 0) & (array <= 1))
    if bad.any():
        raise ValueError(f"diversity must be within 0 to 1, got {array[bad].flat[0]}")
    numbers = np.empty(num_queries)
    numbers[:] = array
    return numbers


def _shaped(answer: tuple[Int64, Float64], is_single: bool) -> tuple[Int64, Float64]:
    order_QK, lost_Q = answer
    return (order_QK[0], np.asarray(lost_Q[0])) if is_single else (order_QK, lost_Q)
