"""Fusion of ranked lists into one on the device: `fuse`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from shortlist_kernels import checks
from shortlist_kernels.arrays import FUSION_METHODS, FUSION_NORMS, EntryPlace, Float64, Int64, RankedLists
from shortlist_kernels.cuda import backend, interop
from shortlist_kernels.cuda.backend import DeviceArray, num_blocks
from shortlist_kernels.cuda.kernels.fusing import combine_lists, find_leaders, place_list, weigh_lists, write_turns
from shortlist_kernels.cuda.kernels.selecting import select_best, write_scores
from shortlist_kernels.fusion import checked, refuse


class Entries(NamedTuple):
    """The lists of Q queries, one behind the other: see kernels/fusing.py."""

    ids: DeviceArray  # int64 (Q, E)
    scores: DeviceArray  # float64 (Q, E)
    starts_S: Int64  # S + 1 places
    weights_S: Float64
    num_queries: int


def fuse(
    lists_of_ids: Sequence[Any],
    lists_of_scores: Sequence[Any],
    k: int,
    method: str = "rrf",
    weights: Sequence[float] | None = None,
    norm: str = "minmax",
) -> tuple[Any, Any]:
    """`shortlist_kernels.fuse` on the device, with the same scores and ids; results lie where the first list does.

    Raises ValueError for what that refuses, RuntimeError where no GPU can be used.
    """
    backend.require_gpu()
    checks.one_of("method", method, FUSION_METHODS)
    checks.one_of("norm", norm, FUSION_NORMS)
    k = checks.whole_number("k", k, minimum=0)
    leading, lists = checked(
        [interop.stand_in(ids) for ids in lists_of_ids],
        [interop.stand_in(scores) for scores in lists_of_scores],
        weights,
    )
    ids, scores = (
        [_rows(given, own) for given, own in zip(*pair, strict=True)]
        for pair in ((lists_of_ids, lists.ids), (lists_of_scores, lists.scores))
    )
    entries = placed(ids, scores, lists)
    scores_QK, ids_QK, fault = fused(entries, k, method, norm)
    if fault is not None:
        on_host = [tuple(backend.download(one) for one in given) for given in (ids, scores)]
        refuse(RankedLists(on_host[0], on_host[1], lists.weights), fault, is_single=not leading)
    to_host = not interop.is_on_device(lists_of_ids[0])
    shape = (*leading, k)
    return interop.given_back(scores_QK, shape, to_host), interop.given_back(ids_QK, shape, to_host)


def placed(ids: Sequence[DeviceArray], scores: Sequence[DeviceArray], lists: RankedLists) -> Entries:
    """Copies lists on the device to where they lie one behind the other; `lists` tells their shapes and weights."""
    num_queries = len(lists.ids[0])
    starts_S = np.cumsum([0, *(one.shape[1] for one in lists.ids)]).astype(np.int64)
    shape = (num_queries, int(starts_S[-1]))
    entries = Entries(
        backend.empty(shape, np.int64), backend.empty(shape, np.float64), starts_S, lists.weights, num_queries
    )
    for number, start in enumerate(starts_S[:-1].tolist()):
        length = lists.ids[number].shape[1]
        arguments = ids[number], scores[number], length, start, entries.ids, entries.scores
        place_list.launch((num_blocks(length), num_queries), *arguments)
    return entries


def fused(entries: Entries, k: int, method: str, norm: str) -> tuple[DeviceArray, DeviceArray, EntryPlace | None]:
    """See `reference.fuse`."""
    num_queries, num_lists, num_entries = entries.num_queries, entries.weights_S.size, int(entries.starts_S[-1])
    shape = (num_queries, num_entries)
    counting_S = entries.weights_S > 0
    starts, weights = backend.upload(entries.starts_S), backend.upload(entries.weights_S)
    turns = backend.upload(np.cumsum(counting_S) - 1)
    values, leads = backend.empty(shape, np.float64), backend.empty(shape, np.int8)
    lengths = backend.empty((num_queries, num_lists), np.int64)
    num_items, counts = (backend.zeros(max(num_queries, 1), np.int32) for _ in range(2))
    fault = backend.upload(np.full(1, num_queries * num_entries))
    major, minor = (backend.empty(shape, np.int64) for _ in range(2))
    scores, ids = backend.empty((num_queries, k), np.float32), backend.empty((num_queries, k), np.int64)
    lists = (entries.ids, entries.scores)
    codes = FUSION_METHODS.index(method), FUSION_NORMS.index(norm)
    weigh_lists.launch(
        (-(-num_queries * num_lists // backend.THREADS), 1),
        *codes,
        *lists,
        starts,
        weights,
        turns,
        num_queries,
        num_lists,
        int(counting_S.sum()),
        values,
        lengths,
        fault,
    )
    blocks = (num_blocks(num_entries), num_queries)
    find_leaders.launch(blocks, *lists, starts, weights, num_lists, leads, num_items, fault)
    arguments = (*lists, values, starts, weights, lengths, num_lists, leads, num_items, counts, major, minor)
    combine_lists.launch(blocks, codes[0], *arguments)
    _write_best(major, minor, counts, (num_queries, num_entries, k), method, scores, ids)
    first = int(backend.download(fault)[0])
    if first < num_queries * num_entries:
        query, entry = divmod(first, num_entries)
        number = int(np.searchsorted(entries.starts_S, entry, side="right")) - 1
        return scores, ids, EntryPlace(query, number, entry - int(entries.starts_S[number]))
    return scores, ids, None


def _write_best(
    major: DeviceArray,
    minor: DeviceArray,
    counts: DeviceArray,
    sizes: tuple[int, int, int],
    method: str,
    scores: DeviceArray,
    ids: DeviceArray,
) -> None:
    num_queries, num_entries, k = sizes
    wanted = min(k, num_entries)
    best_major, best_minor = (backend.empty((num_queries, wanted), np.int64) for _ in range(2))
    num_found = backend.zeros((max(num_queries, 1), 1), np.int32)
    floors = backend.zeros(max(num_queries, 1), np.float64)
    if wanted:
        arguments = (counts, num_entries, wanted, best_major, best_minor, num_found, floors)
        select_best.launch((1, num_queries), major, minor, *arguments)
    blocks = (num_blocks(k), num_queries)
    write_scores.launch(blocks, best_major, best_minor, num_found.reshape(-1), k, scores, ids)
    if method == "round_robin":
        write_turns.launch(blocks, num_found, k, scores)


def _rows(given: Any, checked_rows: Any) -> DeviceArray:
    """A list on the device, (Q, K), that has been checked."""
    if not interop.is_on_device(given):
        return backend.upload(checked_rows)
    return interop.on_device("lists", given).reshape(tuple(max(length, 1) for length in checked_rows.shape))
