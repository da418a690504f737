"""Metrics of full rankings with binary relevance, each the mean over all orders of items of equal score.

Ids correlate with age and popularity, so an order of ties by id would flatter or hurt a model; what a constant scorer
gets here is what chance gets (McSherry and Najork, ECIR 2008). Lists are (scores, rows) as sources return them: best
first, padded with -inf and -1. B users, K places of a list; an item's tie is its run of n equal scores, g items before.
NDCG: Järvelin and Kekäläinen 2002, with gain 1 and discount log2(place + 1), divided by the best that k places allow.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.histories import Lists
from shortlist_training.sources.kinds import Retrieved, Rows

Floats = NDArray[np.float64]


def hits(rows_BK: Rows, targets: Lists) -> NDArray[np.bool_]:
    """Bool (B, K): which places hold one of the user's targets."""
    stride = max(int(rows_BK.max(initial=0)), int(targets.rows.max(initial=0))) + 1
    target_keys = np.repeat(np.arange(len(rows_BK)), targets.lengths()) * stride + targets.rows
    keys_BK = np.arange(len(rows_BK))[:, None] * stride + rows_BK
    found: NDArray[np.bool_] = np.isin(keys_BK, target_keys) & (rows_BK >= 0)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Lists beside what the users took.

    Attributes:
        hits_BK: which places hold a target.
        before_BK: g, how many items score higher than the one at the place.
        tied_BK: n, how many share its score, itself included.
        num_targets_B: how many items each user took, at least 1.
    """

    rows_BK: Rows
    hits_BK: NDArray[np.bool_]
    before_BK: NDArray[np.int64]
    tied_BK: NDArray[np.int64]
    num_targets_B: NDArray[np.int64]

    def share_within(self, cutoff: int) -> Floats:
        """(B, K): the probability that the item stands within the first `cutoff` places."""
        share_BK: Floats = np.clip(cutoff - self.before_BK, 0, self.tied_BK) / self.tied_BK
        return share_BK


def judge(ranked: Retrieved, targets: Lists) -> Judged:
    """Find the hits and the ties. The lists must hold all items that tie with one of the places that count."""
    scores_BK, rows_BK = ranked
    num_places = rows_BK.shape[1]
    starts_BK = np.ones(rows_BK.shape, np.bool_)
    starts_BK[:, 1:] = scores_BK[:, 1:] != scores_BK[:, :-1]
    places_K = np.arange(num_places)
    before_BK = np.maximum.accumulate(np.where(starts_BK, places_K, 0), axis=1)
    ends_BK = np.ones(rows_BK.shape, np.bool_)
    ends_BK[:, :-1] = starts_BK[:, 1:]
    after_BK = np.minimum.accumulate(np.where(ends_BK, places_K + 1, num_places)[:, ::-1], axis=1)[:, ::-1]
    return Judged(rows_BK, hits(rows_BK, targets), before_BK, after_BK - before_BK, targets.lengths())


def ndcg(judged: Judged, cutoff: int) -> Floats:
    """Expected discounted hits of each user over the best possible sum, (B,)."""
    discounts = np.concatenate(([0.0], np.cumsum(1 / np.log2(np.arange(cutoff) + 2))))
    first_BK = np.minimum(judged.before_BK, cutoff)
    last_BK = np.minimum(judged.before_BK + judged.tied_BK, cutoff)
    gains_BK = (discounts[last_BK] - discounts[first_BK]) / judged.tied_BK
    found_B: Floats = (gains_BK * judged.hits_BK).sum(axis=1)
    possible_B: Floats = discounts[np.minimum(judged.num_targets_B, cutoff)]
    return np.divide(found_B, possible_B)


def recall(judged: Judged, cutoff: int) -> Floats:
    """Expected share of the user's targets within the first places, (B,)."""
    found_B: Floats = (judged.share_within(cutoff) * judged.hits_BK).sum(axis=1)
    return np.divide(found_B, judged.num_targets_B)


def hit_rate(judged: Judged, cutoff: int) -> Floats:
    """The probability that any target is within the first places, (B,)."""
    rate_B: Floats = (judged.hits_BK & (judged.share_within(cutoff) == 1)).any(axis=1).astype(np.float64)
    for user, before, tied, num_hits in _tied_hits(judged, cutoff):
        room = cutoff - before
        if rate_B[user] < 1 and room < tied:
            rate_B[user] = 1 - math.comb(tied - num_hits, room) / math.comb(tied, room)
    return rate_B


def reciprocal_rank(judged: Judged, cutoff: int) -> Floats:
    """Expected 1 / place of the first hit, 0 where it is behind the first places, (B,)."""
    inside_BK = judged.hits_BK & (judged.before_BK < cutoff)
    first_B = inside_BK.argmax(axis=1)
    places_B = np.take_along_axis(judged.before_BK, first_B[:, None], 1)[:, 0] + 1.0
    rank_B: Floats = np.where(inside_BK.any(axis=1), 1 / places_B, 0.0)
    for user, before, tied, num_hits in _tied_hits(judged, cutoff):
        if before + 1 == places_B[user]:
            # The first of m hits among n items is at place j with probability C(n - j, m - 1) / C(n, m).
            ways = (math.comb(tied - j, num_hits - 1) / (before + j) for j in range(1, min(tied, cutoff - before) + 1))
            rank_B[user] = sum(ways) / math.comb(tied, num_hits)
    return rank_B


def coverage(judged: Judged, cutoff: int, num_items: int) -> float:
    """Expected share of the catalogue that stands in at least one of the lists."""
    shown_BK = judged.share_within(cutoff) * (judged.rows_BK >= 0)
    rows, shares = judged.rows_BK[shown_BK > 0], shown_BK[shown_BK > 0]
    with np.errstate(divide="ignore"):
        misses_N = np.bincount(rows, np.log1p(-shares), minlength=num_items)
    return float(-np.expm1(misses_N).sum() / num_items)


def summarise(ranked: Retrieved, targets: Lists, num_items: int, cutoff: int) -> dict[str, float]:
    """The mean of every metric over the first `cutoff` places."""
    judged = judge(ranked, targets)
    return {
        f"ndcg@{cutoff}": float(ndcg(judged, cutoff).mean()),
        f"recall@{cutoff}": float(recall(judged, cutoff).mean()),
        f"hr@{cutoff}": float(hit_rate(judged, cutoff).mean()),
        f"mrr@{cutoff}": float(reciprocal_rank(judged, cutoff).mean()),
        f"coverage@{cutoff}": coverage(judged, cutoff, num_items),
    }


def user_ndcg(ranked: Retrieved, targets: Lists, cutoff: int) -> Floats:
    """The NDCG of each user, (B,)."""
    return ndcg(judge(ranked, targets), cutoff)


def mean_ndcg(ranked: Retrieved, targets: Lists, cutoff: int) -> float:
    """Mean NDCG over the users, what everything is chosen by."""
    return float(user_ndcg(ranked, targets, cutoff).mean())


def paired_bootstrap(differences_B: Iterable[float], *, seed: int, num_samples: int = 2_000) -> tuple[float, float]:
    """95 % interval of the mean difference, users drawn with replacement."""
    values_B = np.asarray(list(differences_B), dtype=np.float64)
    generator = np.random.default_rng(seed)
    means = [values_B[generator.integers(0, len(values_B), len(values_B))].mean() for _ in range(num_samples)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _tied_hits(judged: Judged, cutoff: int) -> Iterator[tuple[int, int, int, int]]:
    """(user, g, n, number of hits) of every tie of several items with a hit that begins within the first places."""
    wanted_BK = judged.hits_BK & (judged.tied_BK > 1) & (judged.before_BK < cutoff)
    users, places = np.nonzero(wanted_BK)
    before = judged.before_BK[users, places]
    keys, first, counts = np.unique(users * (cutoff + 1) + before, return_index=True, return_counts=True)
    for user, at, count in zip((keys // (cutoff + 1)).tolist(), first.tolist(), counts.tolist(), strict=True):
        yield user, int(before[at]), int(judged.tied_BK[users[at], places[at]]), count
