"""Re-ranking for diversity: `mmr`, `dpp`."""

from typing import Any, NamedTuple

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import AnyArray, Float32, Float64, Int64

LARGEST = float(np.finfo(np.float64).max)


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


def dpp(vectors: Any, scores: Any, k: int, diversity: Any, num_threads: int | None = None) -> tuple[Int64, Float64]:
    """Picks k candidates by greedy MAP inference for a determinantal point process (Chen, Zhang and Zhou 2018).

    Each step raises (1 - diversity) * (sum of scores) + diversity * log det S most, where S holds the cosines of those
    taken, 1 on its diagonal. That is the largest w * v, equal values by smaller position: w is
    exp((1 - diversity) / diversity * (score - largest score)), and v, the residual, 1 minus the squared length of the
    projection of the candidate's vector, made of length 1, on those taken; 1 for a vector of zeros.

    A candidate with v <= 1e-10 is a combination of those taken and gains nothing, nor does one whose w underflows. Once
    none gains, the best scores left are taken, equal ones by smaller position; with diversity 0 from the start on.
    Scores are used as given: the wider they spread, the more they count. Arguments and results are as for `mmr`.
    """
    given = _checked(vectors, scores, k, diversity, num_threads)
    weights_QN = diagonal(given.scores_QN, given.diversity_Q)
    answer = dispatch.active().dpp(given.vectors_QND, given.scores_QN, weights_QN, given.k, given.num_threads)
    return _shaped(answer, given.is_single)


def diagonal(scores_QN: Float64, diversity_Q: Float64) -> Float64:
    """The diagonal of the kernel: exp(theta / (1 - theta) * score) in the paper's terms, divided by the largest.

    Here rather than in the backends, because the last bits of exp differ from one library to the next.
    """
    below_QN = np.maximum(scores_QN - scores_QN.max(axis=1, keepdims=True, initial=-LARGEST), -LARGEST)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        rates_Q = np.minimum((1.0 - diversity_Q) / diversity_Q, LARGEST)
        weights_QN: Float64 = np.exp(below_QN * rates_Q[:, np.newaxis])
    weights_QN[diversity_Q == 0.0] = 0.0
    return weights_QN


def _checked(vectors: Any, scores: Any, k: int, diversity: Any, num_threads: int | None) -> _Candidates:
    array = checks.as_array("scores", scores)
    if array.dtype not in (np.float32, np.float64) or array.ndim not in (1, 2):
        raise ValueError(f"scores must be float32 or float64 of 1 or 2 axes, got {array.dtype} of shape {array.shape}")
    refuse_bad_scores(array)
    vectors_array = checks.float32s("vectors", vectors, (*array.shape, "D"))
    is_single = array.ndim == 1
    scores_QN = checks.in_c_order(np.atleast_2d(array), np.float64)
    vectors_QND = vectors_array[np.newaxis] if is_single else vectors_array
    k = checks.whole_number("k", k, minimum=0)
    diversity_Q = diversities(diversity, len(scores_QN))
    if num_threads is not None:
        num_threads = checks.whole_number("num_threads", num_threads, minimum=1)
    return _Candidates(vectors_QND, scores_QN, k, diversity_Q, num_threads, is_single)


def refuse_bad_scores(array: AnyArray) -> None:
    """Raises ValueError naming a score that is NaN, infinite but not -inf, or beyond float32."""
    # One pass tells that all is well; NaN compares as false.
    if not np.abs(array).max(initial=0.0) <= checks.FLOAT32_LIMIT:
        checks.fits_float32("scores", np.where(array == -np.inf, 0, array))


def diversities(diversity: Any, num_queries: int) -> Float64:
    """`diversity`, one number or one per query, as float64 (Q,) within 0 to 1."""
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
