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
from shortlist_kernels.fusion import checked_pairs, checked_weights, refuse


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
    leading, pairs = checked_pairs(
        [interop.stand_in(f"lists_of_ids[{place}]", ids) for place, ids in enumerate(lists_of_ids)],
        [interop.stand_in(f"lists_of_scores[{place}]", scores) for place, scores in enumerate(lists_of_scores)],
    )
    weights_S = checked_weights(weights, len(pairs))
    ids = [_rows(given, own) for given, (own, _) in zip(lists_of_ids, pairs, strict=True)]
    scores = [_rows(given, own) for given, (_, own) in zip(lists_of_scores, pairs, strict=True)]
    lengths = [own.shape[-1] for own, _ in pairs]
    num_queries = leading[0] if leading else 1
    scores_QK, ids_QK, fault = fused(ids, scores, lengths, num_queries, weights_S, k, method, norm)
    if fault is not None:
        on_host = [tuple(backend.download(one) for one in given) for given in (ids, scores)]
        refuse(RankedLists(on_host[0], on_host[1], weights_S), fault, is_single=not leading)
    to_host = not interop.is_on_device(lists_of_ids[0])
    shape = (*leading, k)
    return interop.given_back(scores_QK, shape, to_host), interop.given_back(ids_QK, shape, to_host)


def fused(
    ids: Sequence[DeviceArray],
    scores: Sequence[DeviceArray],
    lengths: Sequence[int],
    num_queries: int,
    weights_S: Float64,
    k: int,
    method: str,
    norm: str,
) -> tuple[DeviceArray, DeviceArray, EntryPlace | None]:
    """See `reference.fuse`: ids and scores (Q, K_s) of S lists, on the device."""
    scores_QK, ids_QK = backend.empty((num_queries, k), np.float32), backend.empty((num_queries, k), np.int64)
    for part in backend.row_parts(num_queries):
        entries = _placed(
            [one[part] for one in ids], [one[part] for one in scores], lengths, weights_S, part.stop - part.start
        )
        fault = _fuse_entries(entries, k, method, norm, scores_QK[part], ids_QK[part])
        if fault is not None:
            return scores_QK, ids_QK, fault._replace(query=fault.query + part.start)
    return scores_QK, ids_QK, None


def _placed(
    ids: Sequence[DeviceArray],
    scores: Sequence[DeviceArray],
    lengths: Sequence[int],
    weights_S: Float64,
    num_queries: int,
) -> Entries:
    """Copies lists to where they lie one behind the other."""
    starts_S = np.cumsum([0, *lengths]).astype(np.int64)
    shape = (num_queries, int(starts_S[-1]))
    entries = Entries(
        backend.empty(shape, np.int64), backend.empty(shape, np.float64), starts_S, weights_S, num_queries
    )
    for number, (start, length) in enumerate(zip(starts_S[:-1].tolist(), lengths, strict=True)):
        arguments = ids[number], scores[number], length, start, entries.ids, entries.scores
        place_list.launch((num_blocks(length), num_queries), *arguments)
    return entries


def _fuse_entries(
    entries: Entries, k: int, method: str, norm: str, scores: DeviceArray, ids: DeviceArray
) -> EntryPlace | None:
    """Writes the k best of each query, (Q, k); returns the first entry that cannot be taken."""
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
        return EntryPlace(query, number, entry - int(entries.starts_S[number]))
    return None


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


def _rows(given: Any, checked_one: Any) -> DeviceArray:
    """A list on the device, (Q, K), that has been checked."""
    if not interop.is_on_device(given):
        return backend.upload(np.atleast_2d(checked_one))
    array = interop.filled(interop.on_device("lists", given))
    return array if array.ndim == 2 else array.reshape((1, array.shape[0]))
