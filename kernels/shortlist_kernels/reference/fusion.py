"""Fusion of ranked lists.

Shapes: Q queries, S lists, K_s entries of list s; E entries that are present and I items, both of all queries.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels.arrays import EntryPlace, Float32, Float64, Int64, RankedLists
from shortlist_kernels.reference.scores import to_float32

RRF_CONSTANT = 60  # Cormack, Clarke and Buettcher 2009
FLOAT32_LIMIT = np.finfo(np.float32).max


class _List(NamedTuple):
    """One list of each query. `items_E` says which item an entry is; scores are 0 at entries that are absent."""

    ids_QK: Int64
    scores_QK: Float64
    present_QK: NDArray[np.bool_]
    ranks_QK: Int64
    weight: float
    items_E: Int64


class _Items(NamedTuple):
    """The items of each query, by (query, id)."""

    queries_I: Int64
    ids_I: Int64
    counts_Q: Int64


def fuse(
    lists: RankedLists, k: int, method: str, norm: str, num_threads: int | None
) -> tuple[Float32, Int64, EntryPlace | None]:
    """The k best by (score rounded to float32 descending, id ascending), padded with -inf and -1; see `fusion.fuse`.

    Sums run over the lists in their order, and over the entries of a list in theirs. Instead of an answer, the first
    entry by (query, list, place) that has an id below -1 or one that its list had before, or a score beyond float32.
    """
    num_queries = len(lists.ids[0])
    scores_QK = np.full((num_queries, k), -np.inf, np.float32)
    ids_QK = np.full((num_queries, k), -1, np.int64)
    ranked = [_list(*parts) for parts in zip(*lists, strict=True)]
    fault = _first_fault(ranked)
    if fault is not None:
        return scores_QK, ids_QK, fault
    items, ranked = _numbered([one for one in ranked if one.weight > 0], num_queries)
    values_I = _combined(items, ranked, method, norm)
    scores_I = to_float32(values_I)
    sorted_by_I = values_I if method == "round_robin" else scores_I  # turns beyond 2**24 do not fit float32
    order_I = np.lexsort((items.ids_I, -sorted_by_I, items.queries_I))
    firsts_Q = np.cumsum(items.counts_Q) - items.counts_Q
    places_I = np.arange(order_I.size) - firsts_Q[items.queries_I]  # sorting leaves each query where it is
    if method == "round_robin":
        scores_I[order_I] = to_float32(1.0 / (places_I + 1))
    best_I = places_I < k
    cells = items.queries_I[best_I], places_I[best_I]
    scores_QK[cells] = scores_I[order_I[best_I]]
    ids_QK[cells] = items.ids_I[order_I[best_I]]
    return scores_QK, ids_QK, None


def _first_fault(lists: list[_List]) -> EntryPlace | None:
    faults = []
    for number, ranked in enumerate(lists):
        bad_QK = ranked.ids_QK < -1
        bad_QK |= ranked.present_QK & ~(np.abs(ranked.scores_QK) <= FLOAT32_LIMIT)
        if ranked.weight > 0:
            bad_QK |= _repeated(ranked)
        faults += [EntryPlace(int(query), number, int(place)) for query, place in np.argwhere(bad_QK)[:1]]
    return min(faults, default=None)


def _list(ids_QK: Int64, scores_QK: Float32 | Float64, weight: np.float64) -> _List:
    present_QK = (ids_QK != -1) & (scores_QK != -np.inf)
    values_QK = np.where(present_QK, scores_QK, 0.0).astype(np.float64)
    ranks_QK = np.cumsum(present_QK, axis=1)
    return _List(ids_QK, values_QK, present_QK, ranks_QK, float(weight), np.empty(0, np.int64))


def _repeated(ranked: _List) -> NDArray[np.bool_]:
    """Where a list holds an id that it held before: bool (Q, K)."""
    queries_E, places_E = np.nonzero(ranked.present_QK)
    ids_E = ranked.ids_QK[ranked.present_QK]
    order_E = np.lexsort((ids_E, queries_E))  # stable
    is_same = (np.diff(queries_E[order_E]) == 0) & (np.diff(ids_E[order_E]) == 0)
    again = order_E[1:][is_same]
    repeated_QK = np.zeros(ranked.ids_QK.shape, np.bool_)
    repeated_QK[queries_E[again], places_E[again]] = True
    return repeated_QK


def _numbered(lists: list[_List], num_queries: int) -> tuple[_Items, list[_List]]:
    """The items, and the lists with the number of each entry's item."""
    empty = np.empty(0, np.int64)
    queries_E = np.concatenate([empty, *(np.nonzero(ranked.present_QK)[0] for ranked in lists)])
    ids_E = np.concatenate([empty, *(ranked.ids_QK[ranked.present_QK] for ranked in lists)])
    order_E = np.lexsort((ids_E, queries_E))
    is_new_E = np.ones(order_E.size, np.bool_)
    is_new_E[1:] = (np.diff(queries_E[order_E]) != 0) | (np.diff(ids_E[order_E]) != 0)
    items_E = np.empty(order_E.size, np.int64)
    items_E[order_E] = np.cumsum(is_new_E) - 1
    ends = np.cumsum([np.count_nonzero(ranked.present_QK) for ranked in lists], dtype=np.int64)
    parts = np.split(items_E, ends)
    firsts_I = order_E[is_new_E]
    queries_I = queries_E[firsts_I]
    items = _Items(queries_I, ids_E[firsts_I], np.bincount(queries_I, minlength=num_queries))
    return items, [ranked._replace(items_E=part) for ranked, part in zip(lists, parts[:-1], strict=True)]


def _combined(items: _Items, lists: list[_List], method: str, norm: str) -> Float64:
    """What each item gets of all lists."""
    keeps_largest = method in ("max", "round_robin")
    nothing = -np.inf if keeps_largest else 0.0
    totals_I = np.full(items.ids_I.size, nothing)
    for turn, ranked in enumerate(lists):
        values_I = np.full(items.ids_I.size, nothing)
        if method == "borda":
            lengths_Q = np.count_nonzero(ranked.present_QK, axis=1)
            values_I = (ranked.weight * ((items.counts_Q - lengths_Q + 1) / 2))[items.queries_I]
        if method == "round_robin":
            values_QK = -((ranked.ranks_QK - 1.0) * len(lists) + turn)
        else:
            values_QK = _given(ranked, items, method, norm)
        values_I[ranked.items_E] = values_QK[ranked.present_QK]
        totals_I = np.maximum(totals_I, values_I) if keeps_largest else totals_I + values_I
    return totals_I + 0.0  # of zeros one sign


def _given(ranked: _List, items: _Items, method: str, norm: str) -> Float64:
    """What each entry of a list gives its item, as `fusion.fuse` says."""
    if method == "rrf":
        return np.asarray(ranked.weight / (RRF_CONSTANT + ranked.ranks_QK), np.float64)
    if method == "weighted":
        return ranked.weight * _normalised(ranked, norm)
    if method == "max":
        return ranked.weight * ranked.scores_QK
    return np.asarray(ranked.weight * (items.counts_Q[:, np.newaxis] - ranked.ranks_QK + 1.0), np.float64)


def _normalised(ranked: _List, norm: str) -> Float64:
    scores_QK, present_QK = ranked.scores_QK, ranked.present_QK
    if norm == "none":
        return scores_QK
    if norm == "minmax":
        low_Q1 = np.min(scores_QK, axis=1, keepdims=True, where=present_QK, initial=np.inf)
        high_Q1 = np.max(scores_QK, axis=1, keepdims=True, where=present_QK, initial=-np.inf)
        range_Q1 = high_Q1 - low_Q1
        shifted_QK = np.where(present_QK, scores_QK - low_Q1, 0.0)
        varied_QK = present_QK & (range_Q1 > 0)
        return np.asarray(np.divide(shifted_QK, range_Q1, out=np.ones_like(scores_QK), where=varied_QK))
    counts_Q1 = np.maximum(np.count_nonzero(present_QK, axis=1, keepdims=True), 1)
    means_Q1 = _row_sums(scores_QK) / counts_Q1
    centred_QK = np.where(present_QK, scores_QK - means_Q1, 0.0)
    deviations_Q1 = np.sqrt(_row_sums(np.square(centred_QK)) / counts_Q1)
    return np.asarray(np.divide(centred_QK, deviations_Q1, out=np.zeros_like(scores_QK), where=deviations_Q1 > 0))


def _row_sums(values_QK: Float64) -> Float64:
    """Sums from 0.0, one value after the other: values of 0 change no bit."""
    from_zero_QK = np.concatenate([np.zeros((len(values_QK), 1)), values_QK], axis=1)
    return np.cumsum(from_zero_QK, axis=1)[:, -1:]
