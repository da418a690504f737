"""Exact search on the device: `search` over `DeviceItems`.

The scan judges every item by a float32 product with a proven error (kernels/scanning.py). Those that may reach the
query's floor are candidates; they are scored in float64, in the order of the reference, and the k best of them and of
those before become the answer and raise the floor. A sample spread over all items is searched first, only for a floor
(the k-th best of some items is one for all). Should more items pass than there is room for, the scan goes on in smaller
parts, with the floor raised between them.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shortlist_kernels.arrays import METRICS, Filters, Int64, PositionLists, SearchCounts
from shortlist_kernels.cuda import backend, libraries
from shortlist_kernels.cuda.backend import LANES, DeviceArray, num_blocks
from shortlist_kernels.cuda.kernels.masking import allow_listed, exclude_listed, start_words
from shortlist_kernels.cuda.kernels.scanning import filter_products, scan
from shortlist_kernels.cuda.kernels.scoring import NUM_FACTS, describe_items, describe_queries, rescore
from shortlist_kernels.cuda.kernels.selecting import select_best, write_scores

QUERIES_AT_ONCE = 256
LIBRARY_QUERIES = 8  # from so many on, a library multiplies
TILE_FLOATS = 1 << 23  # products of one multiplication: they stay in the second-level cache
WORK_BYTES = 1 << 28
ENTRY_BYTES = 20
LEAST_ROOM = 1024
GROWTH = 8


class DeviceItems(NamedTuple):
    """The items of an index on the device."""

    metric: str
    vectors: DeviceArray  # float32 (N, D)
    ids: DeviceArray  # int64 (N,)
    facts: DeviceArray  # see kernels/scoring.py
    num_items: int
    dim: int


class Bias(NamedTuple):
    """float32 (num_rows, N): no row, one for all queries, or one a query."""

    values: DeviceArray
    num_rows: int


def no_bias() -> Bias:
    """For searches without one."""
    return Bias(backend.empty((1, 1), np.float32), 0)


class Words(NamedTuple):
    """The filters of queries, one bit per item: uint32 (num_rows, ceil(N / 32))."""

    bits: DeviceArray
    num_rows: int


def place_items(metric: str, ids_N: Int64, vectors: DeviceArray, dim: int) -> DeviceItems:
    """Items with vectors that are on the device already."""
    facts = backend.empty((NUM_FACTS, ids_N.size), np.float64)
    blocks = (num_blocks(ids_N.size * LANES), 1)
    describe_items.launch(blocks, METRICS.index(metric), vectors, 0, ids_N.size, facts)
    return DeviceItems(metric, vectors, backend.upload(ids_N), facts, ids_N.size, dim)


def search(
    items: DeviceItems, queries: DeviceArray, num_queries: int, k: int, filters: Filters, bias: Bias
) -> tuple[DeviceArray, DeviceArray, SearchCounts]:
    """See `reference.search`; scores float32 and ids int64 stay on the device."""
    wanted = min(k, items.num_items)
    if num_queries == 0 or wanted == 0:
        padding = np.full((num_queries, k), -np.inf, np.float32), np.full((num_queries, k), -1)
        return backend.upload(padding[0]), backend.upload(padding[1]), SearchCounts(num_queries)
    scores, ids = backend.empty((num_queries, k), np.float32), backend.empty((num_queries, k), np.int64)
    counts = SearchCounts()
    room = _room(wanted, items.num_items)
    at_once = min(max(WORK_BYTES // (ENTRY_BYTES * (room + wanted + 1)), 1), QUERIES_AT_ONCE)
    for start in range(0, num_queries, at_once):
        part = slice(start, min(start + at_once, num_queries))
        own_bias = bias._replace(values=bias.values[part]) if bias.num_rows > 1 else bias
        words = _words(_filters_of(filters, part), part.stop - start, items.num_items)
        one = _Search(items, queries[part], part.stop - start, wanted, room, words, own_bias)
        counts = counts.plus(one.run(scores[part], ids[part], k))
    return scores, ids, counts


def _room(k: int, num_items: int) -> int:
    """Candidates per query: as many as the sample has items, about the root of the work of both scans."""
    return min(num_items, max(LEAST_ROOM, 2 * math.isqrt(k * num_items), 2 * k))


@dataclass
class _Search:
    """A few queries, searched together."""

    items: DeviceItems
    queries: DeviceArray
    num_queries: int
    k: int
    room: int
    words: Words
    bias: Bias

    def __post_init__(self) -> None:
        self.library = libraries.found() if self.num_queries >= LIBRARY_QUERIES else None
        self.probes = backend.empty((self.num_queries, self.items.dim), np.float32)
        self.facts = backend.empty((NUM_FACTS, self.num_queries), np.float64)
        self.floors = backend.upload(np.full(self.num_queries, -np.inf))
        self.candidates = backend.empty((self.num_queries, self.room), np.int32)
        self.slack = (self.items.dim + 32) * 2.0**-50
        self._forget()
        step = self.library.step(self.items.dim) if self.library else 1.01 * (self.items.dim + 8) * 2.0**-24
        describe_queries.launch(
            (num_blocks(self.num_queries * LANES), 1),
            METRICS.index(self.items.metric),
            self.queries,
            self.num_queries,
            step,
            self.probes,
            self.facts,
        )

    def run(self, scores: DeviceArray, ids: DeviceArray, k: int) -> SearchCounts:
        """Writes the answers."""
        num_items, num_rescored = self.items.num_items, 0
        if self.room < num_items:
            self._scan(0, num_items // self.room, self.room)
            num_rescored += self._keep_best()
            self._forget()  # the floor is what stays: the scan meets these items again
        start, size = 0, num_items
        while start < num_items:
            size = min(size, num_items - start)
            self._scan(start, 1, size)
            if int(backend.download(self.counts).max()) > self.room:
                size = max(self.room, size // GROWTH)
                continue
            num_rescored += self._keep_best()
            start += size
            size *= GROWTH
        blocks = (num_blocks(k), self.num_queries)
        write_scores.launch(blocks, self.major, self.minor, self.num_kept.reshape(-1), k, scores, ids)
        exhaustive = self.num_queries if self.room == num_items else 0
        return SearchCounts(self.num_queries, (self.num_queries - exhaustive) * k, num_rescored, exhaustive)

    def _forget(self) -> None:
        self.major, self.minor = (backend.empty((self.num_queries, self.k), np.int64) for _ in range(2))
        self.num_kept = backend.zeros((self.num_queries, 1), np.int32)

    def _scan(self, first: int, stride: int, num_items: int) -> None:
        """Collects candidates among some items."""
        self.counts = backend.zeros(self.num_queries, np.int32)
        rules = (self.floors, self.words.bits, self.words.num_rows, self.bias.values, self.bias.num_rows)
        if self.library is None or stride > 1:
            scan.launch(
                (num_blocks(num_items), 1),
                self.items.vectors,
                self.items.facts,
                self.probes,
                self.facts,
                self.num_queries,
                *rules,
                first,
                stride,
                num_items,
                self.slack,
                self.candidates,
                self.counts,
            )
            return
        tile = max(TILE_FLOATS // self.num_queries, 1)
        products = backend.empty(self.num_queries * min(tile, num_items), np.float32)
        for start in range(first, first + num_items, tile):
            count = min(tile, first + num_items - start)
            part = products[: self.num_queries * count].reshape((self.num_queries, count))
            self.library.multiply(self.probes, self.items.vectors[start : start + count], part)
            filter_products.launch(
                (num_blocks(count), self.num_queries),
                part,
                self.items.facts,
                self.facts,
                *rules,
                start,
                count,
                self.slack,
                self.candidates,
                self.counts,
            )

    def _keep_best(self) -> int:
        """Scores the candidates, keeps the k best of them and of those kept before; returns how many were scored."""
        length = self.room + self.k
        major, minor = (backend.empty((self.num_queries, length), np.int64) for _ in range(2))
        totals = backend.empty(self.num_queries, np.int32)
        rescore.launch(
            (num_blocks(length * LANES), self.num_queries),
            METRICS.index(self.items.metric),
            self.items.vectors,
            self.items.facts,
            self.items.ids,
            self.queries,
            self.facts,
            self.bias.values,
            self.bias.num_rows,
            self.candidates,
            self.counts,
            self.major,
            self.minor,
            self.num_kept.reshape(-1),
            major,
            minor,
            totals,
        )
        self._forget()
        select_best.launch(
            (1, self.num_queries),
            major,
            minor,
            totals,
            length,
            self.k,
            self.major,
            self.minor,
            self.num_kept,
            self.floors,
        )
        return int(backend.download(self.counts).sum())


def _filters_of(filters: Filters, part: slice) -> Filters:
    """The filters of some of the queries."""
    mask = filters.mask_bits
    return Filters(
        mask if mask is None or len(mask) == 1 else mask[part],
        _lists_of(filters.allow, part),
        _lists_of(filters.exclude, part),
    )


def _lists_of(lists: PositionLists | None, part: slice) -> PositionLists | None:
    if lists is None or lists.indptr.size == 2:
        return lists
    return lists._replace(indptr=lists.indptr[part.start : part.stop + 1])


def _words(filters: Filters, num_queries: int, num_items: int) -> Words:
    """The filters of queries as bits; no row if everything is allowed."""
    if all(part is None for part in filters):
        return Words(backend.empty((1, 1), np.uint32), 0)
    num_words = -(-num_items // 32)
    mask_rows = 0 if filters.mask_bits is None else len(filters.mask_bits)
    lists = [one for one in (filters.allow, filters.exclude) if one is not None]
    num_rows = max([1, mask_rows, *(one.indptr.size - 1 for one in lists)])
    mask = backend.empty((1, 1), np.uint32)
    if filters.mask_bits is not None:
        padded = np.zeros((mask_rows, num_words * 4), np.uint8)
        padded[:, : filters.mask_bits.shape[1]] = filters.mask_bits
        mask = backend.upload(padded.view(np.uint32))
    bits = backend.empty((num_rows, num_words), np.uint32)
    blocks = (num_blocks(num_words), num_rows)
    start_words.launch(blocks, mask, mask_rows, num_words, int(filters.allow is not None), bits)
    if filters.allow is not None:
        indptr, positions = (backend.upload(array) for array in filters.allow)
        blocks = (num_blocks(filters.allow.positions.size), num_rows)
        allow_listed.launch(blocks, indptr, positions, filters.allow.indptr.size - 1, mask, mask_rows, bits)
    if filters.exclude is not None:
        indptr, positions = (backend.upload(array) for array in filters.exclude)
        blocks = (num_blocks(filters.exclude.positions.size), num_rows)
        exclude_listed.launch(blocks, indptr, positions, filters.exclude.indptr.size - 1, bits)
    return Words(bits, num_rows)


__all__ = ["Bias", "DeviceItems", "no_bias", "place_items", "search"]
