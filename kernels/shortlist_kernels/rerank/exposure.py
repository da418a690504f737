"""Re-ranking under shares of groups in every prefix: `exposure`, and `count_outside_shares` for any order."""

from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Float64, Int64
from shortlist_kernels.reference.exposure import TOLERANCE
from shortlist_kernels.rerank.candidates import candidates, integers_per_candidate, per_group, refuse


def exposure(
    scores: Any, groups: Any, min_share: Any, max_share: Any, k: int, num_threads: int | None = None
) -> tuple[Int64, Float64]:
    """Orders k candidates so that every prefix keeps a minimum and a maximum share of each group.

    Among the first i places stand at least floor(min_share * i) and at most ceil(max_share * i) of a group, as Geyik
    et al. 2019 (DetConstSort) and Zehlike et al. 2017 (FA*IR) ask; products within 1e-9 of a whole number count as
    that. Of all orders that keep this the answer has the least relevance lost; of equal sums it takes the better items
    by (score descending, position ascending), and places the best item that it may as early as it may, place after
    place. Items of a group stay in that order. `reference.exposure` proves it.

    A group that has too few candidates owes what it has and no more. Where maxima then leave a place that nobody may
    take, they hold for as many first places as they can and are dropped behind; minima hold to the end.
    `count_outside_shares` tells how many prefixes fell short. Shares that contradict each other raise ValueError:
    minima that sum to more than 1, maxima to less, a minimum above its maximum.

    scores: float32, or float64 in its range, (n,) or (Q, n); candidates with -inf are never taken. groups: integers
    below G of that shape. min_share, max_share: within 0 to 1, (G,) or (Q, G), no floats narrower than float64. Returns
    positions, int64 (k,) or (Q, k), padded with -1 where candidates run out, and the relevance lost, float64 scalar or
    (Q,): the sum of as many best scores minus the sum of those taken. Takes time of O(k * (k + G)) a user beside
    finding the best.
    """
    users = candidates(scores)
    min_QG, max_QG = _shares(min_share, max_share, len(users.scores_QN))
    answer = dispatch.active().exposure(
        users.scores_QN,
        users.groups("groups", groups, min_QG.shape[1]),
        min_QG,
        max_QG,
        checks.whole_number("k", k, minimum=0),
        users.num_threads(num_threads),
    )
    return users.answer(*answer)


def count_outside_shares(order: Any, groups: Any, min_share: Any, max_share: Any) -> Int64:
    """How many prefixes of an order have too few or too many of a group: int64 scalar or (Q,).

    order: positions (k,) or (Q, k), padded with -1, as `exposure` returns them. The rest as there.
    """
    positions = checks.as_array("order", order)
    positions = checks.integers("order", positions, min(max(positions.ndim, 1), 2))
    group_ids = checks.as_array("groups", groups)
    if group_ids.ndim != positions.ndim or group_ids.shape[:-1] != positions.shape[:-1]:
        raise ValueError(f"order must have the axes of groups, got shapes {positions.shape} and {group_ids.shape}")
    checks.within("order", positions, -1, group_ids.shape[-1] - 1)
    order_QK = np.atleast_2d(positions)
    min_QG, max_QG = _shares(min_share, max_share, len(order_QK))
    groups_QN = integers_per_candidate("groups", group_ids, group_ids.shape, 0, min_QG.shape[1] - 1)
    taken_QK = np.take_along_axis(groups_QN, np.maximum(order_QK, 0), axis=1) if groups_QN.size else order_QK
    is_there_QK = order_QK >= 0
    counts_QKG = np.cumsum(
        (taken_QK[..., np.newaxis] == np.arange(min_QG.shape[1])) & is_there_QK[..., np.newaxis], axis=1
    )
    places_K = np.arange(1, order_QK.shape[1] + 1)[:, np.newaxis]
    too_few_QKG = counts_QKG < np.floor(min_QG[:, np.newaxis] * places_K + TOLERANCE)
    too_many_QKG = counts_QKG > np.ceil(max_QG[:, np.newaxis] * places_K - TOLERANCE)
    outside_Q = ((too_few_QKG | too_many_QKG).any(axis=2) & is_there_QK).sum(axis=1)
    return outside_Q if positions.ndim == 2 else np.asarray(outside_Q[0])


def _shares(min_share: Any, max_share: Any, num_queries: int) -> tuple[Float64, Float64]:
    for name, shares in (("min_share", min_share), ("max_share", max_share)):
        array = checks.as_array(name, shares)
        if array.dtype.kind == "f" and array.dtype.itemsize < 8:
            raise ValueError(f"{name} must be float64, as rounded shares make other counts, got {array.dtype}")
    min_QG = per_group("min_share", min_share, num_queries)
    max_QG = per_group("max_share", max_share, num_queries, min_QG.shape[1])
    for name, shares_QG in (("min_share", min_QG), ("max_share", max_QG)):
        refuse(name, "within 0 to 1", shares_QG, shares_QG > 1)
    above = min_QG > max_QG
    if above.any():
        raise ValueError(f"min_share must be at most max_share, got {min_QG[above][0]} above {max_QG[above][0]}")
    min_Q, max_Q = min_QG.sum(axis=1), max_QG.sum(axis=1)
    if (min_Q > 1 + TOLERANCE).any():
        raise ValueError(f"min_share must sum to at most 1, got {min_Q.max()}")
    if (max_Q < 1 - TOLERANCE).any():
        raise ValueError(f"max_share must sum to at least 1, got {max_Q.min()}")
    return min_QG, max_QG
