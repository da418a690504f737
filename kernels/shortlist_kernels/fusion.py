"""Fusion of ranked lists into one: `fuse`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from shortlist_kernels import checks
from shortlist_kernels.arrays import Float32, Float64, Int64
from shortlist_kernels.reference import to_float32

METHODS = ("rrf", "weighted", "max", "round_robin")
NORMS = ("minmax", "zscore", "none")
RRF_CONSTANT = 60  # Cormack, Clarke and Buettcher 2009


class _List(NamedTuple):
    """One ranked list of a batch; `present_QK` is False at padding."""

    ids_QK: Int64
    scores_QK: Float64
    present_QK: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    weight: float


class _Entries(NamedTuple):
    """The entries of all lists, grouped by (query, id), each group in order of the lists."""

    queries_E: Int64
    ids_E: Int64
    values_E: Float64
    starts_G: Int64


def fuse(
    lists_of_ids: Sequence[Any],
    lists_of_scores: Sequence[Any],
    k: int,
    method: str = "rrf",
    weights: Sequence[float] | None = None,
    norm: str = "minmax",
) -> tuple[Float32, Int64]:
    """Fuses S ranked lists into the k best: scores float32 and ids int64, (k,) or (Q, k), padded with -inf and -1.

    Scores are computed in float64, rounded to float32, then ordered by (score descending, id ascending).

    Each list is ids int64 and scores float32 or float64, both (K_s,) or (Q, K_s); an entry with id -1 or score -inf is
    absent. An id may stand once in a list. Weights (default 1 each) are >= 0; a list of weight 0 is left out. Both
    scores and weights must lie in the range of float32. Methods:

    rrf          sum of weight / (60 + rank), rank counted from 1 in the order given
    weighted     sum of weight * score after `norm`; a list without the item adds 0. "minmax": to 0..1 over the list
                 (1 for all where they are equal). "zscore": minus the mean, divided by the population deviation (0 for
                 all where that is 0). "none": as given
    max          largest weight * score, as given
    round_robin  first of each list, second of each list, ...; an item at its earliest place; score 1 / place
    """
    checks.one_of("method", method, METHODS)
    checks.one_of("norm", norm, NORMS)
    k = checks.whole_number("k", k, minimum=0)
    shape, lists = _checked_lists(lists_of_ids, lists_of_scores, weights)
    values = [_values(ranked, place, len(lists), method, norm) for place, ranked in enumerate(lists)]
    entries = _grouped(lists, values)
    scores_G = to_float32(_combined(entries, method))
    queries_G, ids_G = entries.queries_E[entries.starts_G], entries.ids_E[entries.starts_G]
    order = np.lexsort((ids_G, -scores_G, queries_G))
    num_queries = shape[0] if shape else 1
    first_Q = np.searchsorted(queries_G[order], np.arange(num_queries))
    places = np.arange(order.size) - first_Q[queries_G[order]]
    if method == "round_robin":
        scores_G[order] = 1.0 / (places + 1)
    best = places < k
    scores_QK = np.full((num_queries, k), -np.inf, np.float32)
    ids_QK = np.full((num_queries, k), -1, np.int64)
    scores_QK[queries_G[order][best], places[best]] = scores_G[order][best]
    ids_QK[queries_G[order][best], places[best]] = ids_G[order][best]
    return scores_QK.reshape(*shape, k), ids_QK.reshape(*shape, k)


def _checked_lists(
    lists_of_ids: Sequence[Any], lists_of_scores: Sequence[Any], weights: Sequence[float] | None
) -> tuple[tuple[int, ...], list[_List]]:
    """The leading shape, () or (Q,), and the lists of weight above 0."""
    if len(lists_of_ids) == 0 or len(lists_of_ids) != len(lists_of_scores):
        raise ValueError(
            f"lists_of_scores must have one entry per list of ids, at least 1, "
            f"got {len(lists_of_scores)} and {len(lists_of_ids)}"
        )
    if weights is not None and len(weights) != len(lists_of_ids):
        raise ValueError(f"weights must have one entry per list ({len(lists_of_ids)}), got {len(weights)}")
    lists, shapes = [], set()
    for place, (ids, scores) in enumerate(zip(lists_of_ids, lists_of_scores, strict=True)):
        weight = 1.0 if weights is None else _weight(f"weights[{place}]", weights[place])
        leading, ranked = _checked_list(place, ids, scores, weight)
        shapes.add(leading)
        lists.append(ranked)
    if len(shapes) > 1:
        raise ValueError(f"lists_of_ids must agree in their leading axis, got {sorted(shapes)}")
    return shapes.pop(), [ranked for ranked in lists if ranked.weight > 0]


def _weight(name: str, weight: float) -> float:
    return checks.finite_number(name, weight, minimum=0.0, maximum=checks.FLOAT32_LIMIT)


def _checked_list(place: int, ids: Any, scores: Any, weight: float) -> tuple[tuple[int, ...], _List]:
    ids = checks.as_array(f"lists_of_ids[{place}]", ids)
    if ids.ndim not in (1, 2):
        raise ValueError(f"lists_of_ids[{place}] must have 1 or 2 axes, got shape {ids.shape}")
    ids = checks.integers(f"lists_of_ids[{place}]", ids, ids.ndim)
    scores = checks.as_array(f"lists_of_scores[{place}]", scores)
    if scores.dtype not in (np.float32, np.float64) or scores.shape != ids.shape:
        raise ValueError(
            f"lists_of_scores[{place}] must be float32 or float64 of shape {ids.shape}, "
            f"got {scores.dtype} of shape {scores.shape}"
        )
    checks.within(f"lists_of_ids[{place}]", ids, -1, np.iinfo(np.int64).max)
    present = np.atleast_2d((ids != -1) & (scores != -np.inf))
    ids_QK = np.atleast_2d(ids)
    scores_QK = np.where(present, np.atleast_2d(scores).astype(np.float64), 0.0)
    checks.fits_float32(f"lists_of_scores[{place}]", scores_QK)
    return ids.shape[:-1], _List(ids_QK, scores_QK, present, weight)


def _values(ranked: _List, place: int, num_lists: int, method: str, norm: str) -> Float64:
    """What each entry of a list brings to its item."""
    ranks_QK = np.cumsum(ranked.present_QK, axis=1)
    if method == "rrf":
        return np.asarray(ranked.weight / (RRF_CONSTANT + ranks_QK), np.float64)
    if method == "round_robin":
        return np.asarray(-((ranks_QK - 1.0) * num_lists + place), np.float64)
    if method == "weighted":
        return ranked.weight * _normalised(ranked, norm)
    return ranked.weight * ranked.scores_QK


def _normalised(ranked: _List, norm: str) -> Float64:
    scores_QK, present_QK = ranked.scores_QK, ranked.present_QK
    if norm == "none" or scores_QK.size == 0:
        return scores_QK
    if norm == "minmax":
        low_Q1 = np.min(scores_QK, axis=1, keepdims=True, where=present_QK, initial=np.inf)
        high_Q1 = np.max(scores_QK, axis=1, keepdims=True, where=present_QK, initial=-np.inf)
        range_Q1 = high_Q1 - low_Q1
        shifted_QK = np.where(present_QK, scores_QK - low_Q1, 0.0)
        varied_QK = present_QK & (range_Q1 > 0)
        return np.asarray(np.divide(shifted_QK, range_Q1, out=np.ones_like(scores_QK), where=varied_QK), np.float64)
    counts_Q1 = np.maximum(present_QK.sum(axis=1, keepdims=True), 1)
    means_Q1 = _row_sums(scores_QK) / counts_Q1
    centred_QK = np.where(present_QK, scores_QK - means_Q1, 0.0)
    deviations_Q1 = np.sqrt(_row_sums(np.square(centred_QK)) / counts_Q1)
    return np.asarray(np.divide(centred_QK, deviations_Q1, out=np.zeros_like(scores_QK), where=deviations_Q1 > 0))


def _row_sums(values_QK: Float64) -> Float64:
    """Sums one value after the other, so that padding behind them changes no bit."""
    return np.cumsum(values_QK, axis=1)[:, -1:]


def _grouped(lists: list[_List], values: list[Float64]) -> _Entries:
    queries = [np.nonzero(ranked.present_QK)[0] for ranked in lists]
    sources_E = np.repeat(np.arange(len(lists)), [rows.size for rows in queries])
    queries_E = np.concatenate([np.empty(0, np.int64), *queries])
    ids_E = np.concatenate([np.empty(0, np.int64), *(ranked.ids_QK[ranked.present_QK] for ranked in lists)])
    values_E = np.concatenate(
        [np.empty(0), *(list_values[ranked.present_QK] for ranked, list_values in zip(lists, values, strict=True))]
    )
    order = np.lexsort((ids_E, queries_E))  # stable, so a group keeps the order of the lists
    queries_E, ids_E, sources_E = queries_E[order], ids_E[order], sources_E[order]
    same = (np.diff(queries_E) == 0) & (np.diff(ids_E) == 0)
    twice = same & (np.diff(sources_E) == 0)
    if twice.any():
        place, repeated = sources_E[1:][twice][0], ids_E[1:][twice][0]
        raise ValueError(f"lists_of_ids[{place}] must be distinct within a query, got {repeated} more than once")
    starts_G = np.flatnonzero(np.concatenate([np.ones(min(1, ids_E.size), np.bool_), ~same]))
    return _Entries(queries_E, ids_E, values_E[order], starts_G)


def _combined(entries: _Entries, method: str) -> Float64:
    """One value per group: the sum, in order of the lists, or the largest."""
    if entries.starts_G.size == 0:
        return np.empty(0)
    if method in ("max", "round_robin"):
        return np.asarray(np.maximum.reduceat(entries.values_E, entries.starts_G), np.float64)
    sizes = np.diff(entries.starts_G, append=entries.ids_E.size)
    return np.bincount(np.repeat(np.arange(sizes.size), sizes), weights=entries.values_E).astype(np.float64)
