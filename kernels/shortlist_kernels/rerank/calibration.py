"""Re-ranking towards the user's own mixture of groups: `calibrate`."""

from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Float64, Int64, Memberships
from shortlist_kernels.rerank.candidates import Candidates, candidates, fractions, per_group, refuse

NEGLIGIBLE = 1e-12


def calibrate(
    scores: Any, groups: Any, target: Any, k: int, strength: Any, num_threads: int | None = None
) -> tuple[Int64, Float64]:
    """Picks k candidates whose groups resemble a target distribution (Steck 2018, Calibrated Recommendations).

    Greedy on (1 - strength) * sum of scores - strength * KL(p || q~): p the target, q the mean over the k places of
    each candidate's distribution over groups, q~ = 0.99 q + 0.01 p. Ties by (score descending, position ascending).
    Where every candidate is in one group, no k candidates have a larger value: none resemble the target as well and
    have a larger sum of scores. Else greedy is within (1 - 1/e) of the largest increase over the empty list, for
    scores >= 0. Scores weigh against a divergence that is seldom above 5: bring them to the order of 0 to 1.

    scores: float32, or float64 in its range, (n,) or (Q, n); candidates with -inf are never taken. target: (G,) or
    (Q, G), numbers >= 0, divided by their sum; shares below 1e-12 are taken for 0; with none the order is that of
    scores. strength: within 0 to 1, one or one per user. groups: integers below G of the shape of scores, or a tuple
    (indptr, groups, weights) of compressed rows, one per candidate, users one after the other; weights >= 0 are divided
    by their sum over the candidate. A candidate without groups is taken by its score.
    Returns the positions in the order in which they were taken, int64 (k,) or (Q, k), padded with -1, and the relevance
    lost, float64 scalar or (Q,): the sum of as many best scores minus the sum of those taken. Takes time of
    O(k * kinds), where candidates with the same groups and weights are of one kind.
    """
    users = candidates(scores)
    num_queries = len(users.scores_QN)
    target_QG = _distributions(per_group("target", target, num_queries))
    memberships = _memberships(users, groups, target_QG.shape[1])
    answer = dispatch.active().calibrate(
        users.scores_QN,
        memberships,
        target_QG,
        checks.whole_number("k", k, minimum=0),
        fractions("strength", strength, num_queries),
        users.num_threads(num_threads),
    )
    return users.answer(*answer)


def _distributions(counts_QG: Float64) -> Float64:
    checks.fits_float32("target", counts_QG)
    shares_QG = _divided(counts_QG, counts_QG.sum(axis=1, keepdims=True))
    return np.where(shares_QG < NEGLIGIBLE, 0.0, shares_QG)


def _memberships(users: Candidates, groups: Any, num_groups: int) -> Memberships:
    if isinstance(groups, tuple):
        return _weighted(groups, users.scores_QN.size, num_groups)
    rows_QN = users.groups("groups", groups, num_groups)
    every = np.arange(num_groups + 1, dtype=np.int64)
    return Memberships(rows_QN, every, every[:-1], np.ones(num_groups))


def _weighted(groups: tuple[Any, ...], num_candidates: int, num_groups: int) -> Memberships:
    if len(groups) != 3:
        raise ValueError(f"groups must be integers or a tuple (indptr, groups, weights), got {len(groups)} parts")
    ids = checks.integers("groups", groups[1], ndim=1)
    checks.within("groups", ids, 0, num_groups - 1)
    indptr = checks.row_pointers("groups indptr", groups[0], ids.size, num_candidates)
    weights = checks.as_array("groups weights", groups[2])
    if weights.dtype.kind not in "iuf" or weights.shape != ids.shape:
        raise ValueError(f"groups weights must be {ids.size} numbers, got {weights.dtype} of shape {weights.shape}")
    checks.fits_float32("groups weights", weights)
    refuse("groups weights", "at least 0", weights, weights < 0)
    rows = np.repeat(np.arange(num_candidates), np.diff(indptr))
    if not _ascend(rows, ids):
        order = np.lexsort((ids, rows))
        ids, weights = ids[order], weights[order]
        if not _ascend(rows, ids):
            raise ValueError("groups must be distinct within a candidate")
    weights_E = weights.astype(np.float64)
    sums = np.bincount(rows, weights_E, minlength=num_candidates).astype(np.float64)
    return Memberships(None, indptr, ids, _divided(weights_E, sums[rows]))


def _divided(parts: Float64, sums: Float64) -> Float64:
    """0 where the sum is 0."""
    return np.asarray(np.divide(parts, sums, out=np.zeros(parts.shape), where=sums > 0))


def _ascend(rows: Int64, ids: Int64) -> bool:
    return bool(((np.diff(ids) > 0) | (np.diff(rows) > 0)).all())
