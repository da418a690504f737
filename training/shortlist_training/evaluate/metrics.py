"""Metrics of full rankings with binary relevance.

B users, K places of a ranking; a place that holds no item is -1. Each function returns float64 (B,).
NDCG: Järvelin and Kekäläinen 2002, with gain 1 and discount log2(place + 1), divided by the best that K places allow.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.histories import Lists

Floats = NDArray[np.float64]


def hits(rows_BK: NDArray[np.int64], targets: Lists) -> NDArray[np.bool_]:
    """Bool (B, K): which places hold one of the user's targets."""
    stride = max(int(rows_BK.max(initial=0)), int(targets.rows.max(initial=0))) + 1
    target_keys = np.repeat(np.arange(len(rows_BK)), targets.lengths()) * stride + targets.rows
    keys_BK = np.arange(len(rows_BK))[:, None] * stride + rows_BK
    found: NDArray[np.bool_] = np.isin(keys_BK, target_keys) & (rows_BK >= 0)
    return found


def ndcg(hits_BK: NDArray[np.bool_], num_targets_B: NDArray[np.int64]) -> Floats:
    """Discounted hits over the best possible sum."""
    discounts_K = 1 / np.log2(np.arange(hits_BK.shape[1]) + 2)
    best_K = np.cumsum(discounts_K)
    found_B: Floats = (hits_BK * discounts_K).sum(axis=1)
    possible_B: Floats = best_K[np.minimum(num_targets_B, len(best_K)) - 1]
    return np.divide(found_B, possible_B)


def recall(hits_BK: NDArray[np.bool_], num_targets_B: NDArray[np.int64]) -> Floats:
    """Share of the user's targets within the K places."""
    found_B: Floats = hits_BK.sum(axis=1, dtype=np.float64)
    share_B: Floats = found_B / num_targets_B
    return share_B


def hit_rate(hits_BK: NDArray[np.bool_]) -> Floats:
    """1 where any target is within the K places."""
    hit_B: Floats = hits_BK.max(axis=1, initial=False).astype(np.float64)
    return hit_B


def reciprocal_rank(hits_BK: NDArray[np.bool_]) -> Floats:
    """1 / place of the first hit, 0 without one."""
    places_B = hits_BK.argmax(axis=1).astype(np.float64) + 1
    reciprocal_B: Floats = np.where(hits_BK.any(axis=1), np.reciprocal(places_B), 0.0)
    return reciprocal_B


def coverage(rows_BK: NDArray[np.int64], num_items: int) -> float:
    """Share of the catalogue that stands in at least one of the rankings."""
    return len(np.unique(rows_BK[rows_BK >= 0])) / num_items


def summarise(rows_BK: NDArray[np.int64], targets: Lists, num_items: int, cutoff: int) -> dict[str, float]:
    """The mean of every metric over the first `cutoff` places."""
    top_BK = rows_BK[:, :cutoff]
    hits_BK, num_targets_B = hits(top_BK, targets), targets.lengths()
    return {
        f"ndcg@{cutoff}": float(ndcg(hits_BK, num_targets_B).mean()),
        f"recall@{cutoff}": float(recall(hits_BK, num_targets_B).mean()),
        f"hr@{cutoff}": float(hit_rate(hits_BK).mean()),
        f"mrr@{cutoff}": float(reciprocal_rank(hits_BK).mean()),
        f"coverage@{cutoff}": coverage(top_BK, num_items),
    }


def mean_ndcg(rows_BK: NDArray[np.int64], targets: Lists, cutoff: int) -> float:
    """Mean NDCG of the first `cutoff` places, what everything is chosen by."""
    return float(ndcg(hits(rows_BK[:, :cutoff], targets), targets.lengths()).mean())


def paired_bootstrap(differences_B: Iterable[float], *, seed: int, num_samples: int = 2_000) -> tuple[float, float]:
    """95 % interval of the mean difference, users drawn with replacement."""
    values_B = np.asarray(list(differences_B), dtype=np.float64)
    generator = np.random.default_rng(seed)
    means = [values_B[generator.integers(0, len(values_B), len(values_B))].mean() for _ in range(num_samples)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
