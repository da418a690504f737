"""The exact vector index: `VectorIndex`."""

import os
import threading
from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch, index_file
from shortlist_kernels.arrays import METRICS, Float32, Int64, VectorSet
from shortlist_kernels.filters import filters
from shortlist_kernels.store import Snapshot


class VectorIndex:
    """Float32 vectors with int64 ids, searched exactly.

    `search` returns the true top-k: scores are accumulated in float64 in a fixed order, ranked there by (score
    descending, id ascending), and rounded once to float32. The bits do not depend on batch size, number of threads or
    instruction set. `reference.similarity` defines the metrics: "inner_product", "cosine", "euclidean" (the negated
    squared distance) and "pearson".

    Methods may be called from several threads. A search sees the items as they were when it began. `update` and
    `remove` copy all vectors, so change many items in one call.
    """

    def __init__(self, dim: int, metric: str = "inner_product") -> None:
        self.dim = checks.whole_number("dim", dim, minimum=1)
        self.metric = checks.one_of("metric", metric, METRICS)
        no_vectors = np.empty((0, self.dim), np.float32)
        statistics = dispatch.active().row_statistics(self.metric, no_vectors)
        self._snapshot = Snapshot.of(VectorSet(self.metric, no_vectors, np.empty(0, np.int64), statistics))
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return self._snapshot.items.ids_N.size

    @property
    def ids(self) -> Int64:
        """int64 (N,), the id at each position: the order in which items were added. Masks and bias follow it."""
        return self._snapshot.items.ids_N.copy()

    def add(self, ids: Any, vectors: Any) -> None:
        """Adds items; ids int64 (n,) from 0 up and new to the index, vectors float32 (n, dim)."""
        ids_n = self._distinct_ids(ids)
        vectors_nD = checks.float32s("vectors", vectors, (ids_n.size, self.dim))
        with self._writing:
            known = self._snapshot.lookup(ids_n) >= 0
            if known.any():
                raise ValueError(f"ids must be new to the index, got {ids_n[known][0]} which it holds")
            if ids_n.size:
                self._snapshot = self._snapshot.added(ids_n, vectors_nD)

    def update(self, ids: Any, vectors: Any) -> None:
        """Replaces the vectors of items of the index; they keep their positions."""
        ids_n = self._distinct_ids(ids)
        vectors_nD = checks.float32s("vectors", vectors, (ids_n.size, self.dim))
        with self._writing:
            positions_n = _known_positions(self._snapshot, "ids", ids_n)
            if ids_n.size:
                self._snapshot = self._snapshot.updated(positions_n, vectors_nD)

    def remove(self, ids: Any) -> None:
        """Removes items of the index; those behind them move up."""
        ids_n = self._distinct_ids(ids)
        with self._writing:
            positions_n = _known_positions(self._snapshot, "ids", ids_n)
            if ids_n.size:
                self._snapshot = self._snapshot.removed(positions_n)

    def vectors(self, ids: Any) -> Float32:
        """float32 (n, dim): the vectors of items of the index."""
        snapshot = self._snapshot
        positions_n = _known_positions(snapshot, "ids", checks.integers("ids", ids, ndim=1))
        return snapshot.items.vectors_ND[positions_n]

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
        bias: float32 (N,), added to the score.
        num_threads: how many threads share the scan; None means one, the caller's.
        Where fewer than k items are allowed, the row ends with score -inf and id -1.
        """
        snapshot = self._snapshot
        num_items = snapshot.items.ids_N.size
        queries_QD = checks.float32s("queries", queries, ("Q", self.dim))
        return dispatch.active().search(
            snapshot.items,
            queries_QD,
            checks.whole_number("k", k, minimum=0),
            filters(exclude, allow, mask, len(queries_QD), num_items, snapshot.lookup),
            None if bias is None else checks.float32s("bias", bias, (num_items,)),
            1 if num_threads is None else checks.whole_number("num_threads", num_threads, minimum=1),
        )

    def score(self, queries: Any, ids: Any) -> Float32:
        """The score, float32 (Q, M), that `search` gives `ids` int64 (Q, M) without bias; -inf where the id is -1."""
        snapshot = self._snapshot
        queries_QD = checks.float32s("queries", queries, ("Q", self.dim))
        ids_QM = checks.integers("ids", ids, ndim=2)
        if len(ids_QM) != len(queries_QD):
            raise ValueError(f"ids must have one row per query ({len(queries_QD)}), got {len(ids_QM)}")
        positions_QM = np.full(ids_QM.shape, -1, np.int64)
        given = ids_QM != -1
        positions_QM[given] = _known_positions(snapshot, "ids", ids_QM[given])
        return dispatch.active().score(snapshot.items, queries_QD, positions_QM)

    def statistics(self) -> dict[str, int | str]:
        """Size and shape of the index, and the instruction set that serves it."""
        items = self._snapshot.items
        num_bytes = items.vectors_ND.nbytes + items.ids_N.nbytes + sum(part.nbytes for part in items.statistics)
        return {
            "num_items": items.ids_N.size,
            "dim": self.dim,
            "metric": self.metric,
            "num_bytes": num_bytes,
            "isa": dispatch.active().isa,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the index to a file, which appears whole or not at all."""
        index_file.write(path, self._snapshot.items)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "VectorIndex":
        """Maps a saved file read-only, so that processes share it; ValueError if it is not whole and sound."""
        items = index_file.read(path)
        index = cls(items.vectors_ND.shape[1], items.metric)
        index._snapshot = Snapshot.of(items)
        return index

    def _distinct_ids(self, ids: Any) -> Int64:
        ids_n = checks.integers("ids", ids, ndim=1)
        if (ids_n < 0).any():
            raise ValueError(f"ids must be >= 0, got {ids_n[ids_n < 0][0]}")
        in_order = np.sort(ids_n)
        repeated = in_order[1:][np.diff(in_order) == 0]
        if repeated.size:
            raise ValueError(f"ids must be distinct, got {repeated[0]} more than once")
        return ids_n


def _known_positions(snapshot: Snapshot, name: str, ids: Int64) -> Int64:
    positions = snapshot.lookup(ids)
    if (positions < 0).any():
        raise ValueError(f"{name} must be in the index, got {ids[positions < 0][0]} which it lacks")
    return positions
