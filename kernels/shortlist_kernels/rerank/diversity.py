"""Re-ranking for diversity: `mmr`."""

from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Float64, Int64


def mmr(vectors: Any, scores: Any, k: int, diversity: Any) -> tuple[Int64, Float64]:
    """Picks k candidates one after the other by maximal marginal relevance (Carbonell and Goldstein 1998).

    Each step takes the largest (1 - diversity) * score - diversity * (largest cosine to those taken, 0 for the first),
    in float64, equal values by smaller position. Scores are used as given; candidates with score -inf are never taken.
    vectors: float32 (n, D) or (Q, n, D). scores: float32, or float64 in its range, (n,) or (Q, n). diversity: within 0
    to 1, one number or one per query. Returns the positions taken, int64 (k,) or (Q, k), padded with -1, and the
    relevance lost, float64 scalar or (Q,): the sum of as many best scores minus the sum of those taken.
    """
    array = checks.as_array("scores", scores)
    if array.dtype not in (np.float32, np.float64) or array.ndim not in (1, 2):
        raise ValueError(f"scores must be float32 or float64 of 1 or 2 axes, got {array.dtype} of shape {array.shape}")
    checks.fits_float32("scores", np.where(array == -np.inf, 0, array))
    vectors_array = checks.float32s("vectors", vectors, (*array.shape, "D"))
    single = array.ndim == 1
    scores_QN = np.ascontiguousarray(np.atleast_2d(array), dtype=np.float64)
    vectors_QND = vectors_array[np.newaxis] if single else vectors_array
    diversity_Q = _diversities(diversity, len(scores_QN))
    order_QK, lost_Q = dispatch.active().mmr(
        vectors_QND, scores_QN, checks.whole_number("k", k, minimum=0), diversity_Q
    )
    return (order_QK[0], np.asarray(lost_Q[0])) if single else (order_QK, lost_Q)


def _diversities(diversity: Any, num_queries: int) -> Float64:
    array = checks.as_array("diversity", diversity)
    if array.dtype.kind not in "iuf" or array.shape not in ((), (num_queries,)):
        raise ValueError(f"diversity must be one number or one per query ({num_queries}), got {diversity!r}")
    bad = ~((array >= 0) & (array <= 1))
    if bad.any():
        raise ValueError(f"diversity must be within 0 to 1, got {array[bad].flat[0]}")
    return np.ascontiguousarray(np.broadcast_to(array, (num_queries,)), dtype=np.float64)
