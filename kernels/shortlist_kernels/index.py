"""The exact vector index: `VectorIndex`."""

import os
import threading
from functools import partial
from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch, index_file
from shortlist_kernels.arrays import METRICS, AnyArray, Float32, Int64, Lookup, SearchCounts
from shortlist_kernels.cpu import _cpu
from shortlist_kernels.filters import filters
from shortlist_kernels.lock import ReadersWriterLock
from shortlist_kernels.store import MAX_DIM, ItemStore


class VectorIndex:
    """Float32 vectors with int64 ids, searched exactly.

    `search` returns the true top-k: scores are accumulated in float64 in a fixed order, ranked there by (score
    descending, id ascending), and rounded once to float32. The bits do not depend on batch size, number of threads or
    instruction set. `reference.similarity` defines the metrics: "inner_product", "cosine", "euclidean" (the negated
    squared distance) and "pearson".

    Methods may be called from several threads. A search sees all of a change or none of it: changes are made in place
    and wait for the searches that run.
    """

    def __init__(self, dim: int, metric: str = "inner_product") -> None:
        self.dim = checks.whole_number("dim", dim, minimum=1, maximum=MAX_DIM)
        self.metric = checks.one_of("metric", metric, METRICS)
        self._store = ItemStore(self.metric, self.dim)
        self._lock = ReadersWriterLock()
        self._counts = SearchCounts()
        self._counting = threading.Lock()

    def __len__(self) -> int:
        return self._store.count

    @property
    def ids(self) -> Int64:
        """int64 (N,), the id at each position. Masks and bias follow this order: that of adding, but for `remove`."""
        with self._lock.reading():
            return self._store.ids_N()

    def add(self, ids: Any, vectors: Any) -> None:
        """Adds items; ids int64 (n,) from 0 up and new to the index, vectors float32 (n, dim)."""
        ids_n = distinct_ids(ids)
        vectors_nD = checks.float32s("vectors", vectors, (ids_n.size, self.dim))
        with self._lock.writing():
            known = self._store.find(ids_n) >= 0
            if known.any():
                raise ValueError(f"ids must be new to the index, got {ids_n[known][0]} which it holds")
            self._store.append(ids_n, vectors_nD)

    def update(self, ids: Any, vectors: Any) -> None:
        """Replaces the vectors of items of the index; they keep their positions."""
        ids_n = distinct_ids(ids)
        vectors_nD = checks.float32s("vectors", vectors, (ids_n.size, self.dim))
        with self._lock.writing():
            self._store.replace(self._known_positions("ids", ids_n), vectors_nD)

    def remove(self, ids: Any) -> None:
        """Removes items of the index; the last ones move to their positions."""
        ids_n = distinct_ids(ids)
        with self._lock.writing():
            self._store.remove(self._known_positions("ids", ids_n))

    def vectors(self, ids: Any) -> Float32:
        """float32 (n, dim): the vectors of items of the index."""
        ids_n = checks.integers("ids", ids, ndim=1)
        with self._lock.reading():
            return self._store.vectors_at(self._known_positions("ids", ids_n))

    def snapshot(self) -> tuple[Int64, Float32]:
        """Copies of the ids, int64 (N,), and vectors, float32 (N, dim), of one moment, in the order of `ids`."""
        with self._lock.reading():
            return self._store.ids_N(), self._store.vectors_ND()

    def search(
        self,
        queries: Any,
        k: int,
        exclude: Any = None,
        allow: Any = None,
        mask: Any = None,
        bias: Any = None,
        num_threads: int | None = None,
    ) -> tuple[Float32, Int64]:
        """The k best items of each query: scores float32 (Q, k) and ids int64 (Q, k).

        queries: float32 (Q, dim).
        exclude, allow: one id array for all queries, or a tuple (indptr, ids) with a list per query; ids that the index
        lacks are ignored. mask: True where allowed, bool (N,) or (Q, N), or the packed bits of
        `np.packbits(mask, axis=-1, bitorder="little")`. An item must pass all three.
        bias: float32 (N,) or (Q, N), added to the score.
        num_threads: how many threads share the scan; None means the cores that this process may use.
        Where fewer than k items are allowed, the row ends with score -inf and id -1.
        """
        queries_QD = checks.float32s("queries", queries, ("Q", self.dim))
        k = checks.whole_number("k", k, minimum=0)
        threads = _threads(num_threads)
        with self._lock.reading():
            rules = filters(exclude, allow, mask, len(queries_QD), self._store.count, self._lookup(threads))
            bias_RN = _bias_rows(bias, len(queries_QD), self._store.count)
            scores_QK, ids_QK, counts = dispatch.active().search(self._store, queries_QD, k, rules, bias_RN, threads)
        with self._counting:
            self._counts = self._counts.plus(counts)
        return scores_QK, ids_QK

    def search_range(
        self,
        queries: Any,
        min_score: Any,
        exclude: Any = None,
        allow: Any = None,
        mask: Any = None,
        bias: Any = None,
        num_threads: int | None = None,
    ) -> tuple[Int64, Float32, Int64]:
        """All items of each query whose float64 score is at least `min_score`, one number or one per query (Q,).

        Returns indptr int64 (Q + 1), scores float32 (R) and ids int64 (R): those of query q lie from indptr[q] to
        indptr[q + 1], best first, equal scores by id. The other arguments are those of `search`; the bias counts.
        """
        queries_QD = checks.float32s("queries", queries, ("Q", self.dim))
        least_Q = checks.numbers_per_query("min_score", min_score, len(queries_QD))
        threads = _threads(num_threads)
        with self._lock.reading():
            rules = filters(exclude, allow, mask, len(queries_QD), self._store.count, self._lookup(threads))
            bias_RN = _bias_rows(bias, len(queries_QD), self._store.count)
            return dispatch.active().search_range(self._store, queries_QD, least_Q, rules, bias_RN, threads)

    def score(self, queries: Any, ids: Any) -> Float32:
        """The score, float32 (Q, M), that `search` gives `ids` int64 (Q, M) without bias; -inf where the id is -1."""
        queries_QD = checks.float32s("queries", queries, ("Q", self.dim))
        ids_QM = checks.integers("ids", ids, ndim=2)
        if len(ids_QM) != len(queries_QD):
            raise ValueError(f"ids must have one row per query ({len(queries_QD)}), got {len(ids_QM)}")
        positions_QM = np.full(ids_QM.shape, -1, np.int64)
        given = ids_QM != -1
        with self._lock.reading():
            positions_QM[given] = self._known_positions("ids", ids_QM[given])
            return dispatch.active().score(self._store, queries_QD, positions_QM)

    def statistics(self) -> dict[str, Any]:
        """Size and shape of the index, the instruction set that serves it, and what its searches cost so far.

        rescore_ratio: items scored in float64 per result returned, at least 1 where codes were scanned; it grows where
        the bounds of the codes are loose. num_exhaustive: queries for which every allowed item was scored, because the
        bounds were too loose, k large or the allow-list short.
        """
        counts = self._counts
        return {
            "num_items": self._store.count,
            "dim": self.dim,
            "metric": self.metric,
            "num_bytes": self._store.num_bytes,
            "isa": dispatch.active().isa,
            "num_queries": counts.num_queries,
            "num_exhaustive": counts.num_exhaustive,
            "rescore_ratio": counts.num_rescored / max(counts.num_results, 1),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the index to a file, which appears whole or not at all."""
        with self._lock.reading():
            index_file.write(path, self._store)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "VectorIndex":
        """Maps a saved file, so that processes share it; ValueError if it is not whole and sound.

        Changes stay with the process: they copy the pages that they touch and never reach the file.
        """
        store = index_file.read(path)
        index = cls(store.dim, store.metric)
        index._store = store
        return index

    def _lookup(self, num_threads: int) -> Lookup:
        return partial(self._store.find, num_threads=num_threads)

    def _known_positions(self, name: str, ids: Int64) -> Int64:
        positions = self._store.find(ids)
        if (positions < 0).any():
            raise ValueError(f"{name} must be in the index, got {ids[positions < 0][0]} which it lacks")
        return positions


def distinct_ids(ids: Any) -> Int64:
    """`ids` as int64 (n,), from 0 up and each once."""
    ids_n = checks.integers("ids", ids, ndim=1)
    if (ids_n < 0).any():
        raise ValueError(f"ids must be >= 0, got {ids_n[ids_n < 0][0]}")
    if ids_n.size > 1:
        in_order = np.sort(ids_n)
        repeated = in_order[1:][in_order[1:] == in_order[:-1]]
        if repeated.size:
            raise ValueError(f"ids must be distinct, got {repeated[0]} more than once")
    return ids_n


def _threads(num_threads: int | None) -> int:
    return _cpu.available_cores() if num_threads is None else checks.whole_number("num_threads", num_threads, 1)


def _bias_rows(bias: Any, num_queries: int, num_items: int) -> Float32 | None:
    if bias is None:
        return None
    array: AnyArray = checks.as_array("bias", bias)
    if array.ndim == 2:
        return checks.float32s("bias", array, (num_queries, num_items))
    return checks.float32s("bias", array, (num_items,))[np.newaxis]
