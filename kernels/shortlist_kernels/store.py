"""The items of an index at one moment, and the next moment after a change.

A search works on the snapshot it took at its start, so it sees all of a change or none of it, without a lock. Adding
appends to a buffer with room to grow, behind what older snapshots see; updating and removing copy the arrays.
"""

from dataclasses import dataclass

import numpy as np

from shortlist_kernels import dispatch
from shortlist_kernels.arrays import Float32, Float64, Int64, RowStatistics, VectorSet

SMALLEST_CAPACITY = 64


class GrowingArrays:
    """Arrays with spare room at the end. Rows before `used` never change."""

    def __init__(self, capacity: int, items: VectorSet) -> None:
        used = items.ids_N.size
        self.capacity = capacity
        self.used = used
        self.vectors = np.empty((capacity, items.vectors_ND.shape[1]), np.float32)
        self.ids = np.empty(capacity, np.int64)
        self.means = np.empty(capacity if items.metric == "pearson" else 0)
        self.norms = np.empty(capacity if items.metric in ("cosine", "pearson") else 0)
        self._write(0, items)

    def append(self, items: VectorSet) -> None:
        """Writes items behind those in use; there must be room."""
        self._write(self.used, items)
        self.used += items.ids_N.size

    def view(self, metric: str) -> VectorSet:
        """The items in use."""
        statistics = RowStatistics(self.means[: self.used], self.norms[: self.used])
        return VectorSet(metric, self.vectors[: self.used], self.ids[: self.used], statistics)

    def _write(self, start: int, items: VectorSet) -> None:
        rows = slice(start, start + items.ids_N.size)
        self.vectors[rows] = items.vectors_ND
        self.ids[rows] = items.ids_N
        if self.means.size:
            self.means[rows] = items.statistics.means_N
        if self.norms.size:
            self.norms[rows] = items.statistics.norms_N


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An unchanging set of items with the order of their ids for look-ups."""

    items: VectorSet
    sorted_ids_N: Int64
    sorted_positions_N: Int64
    buffer: GrowingArrays | None = None

    @classmethod
    def of(cls, items: VectorSet) -> "Snapshot":
        """The snapshot of items whose ids are distinct."""
        order = np.argsort(items.ids_N, kind="stable")
        return cls(items, items.ids_N[order], order)

    def lookup(self, ids: Int64) -> Int64:
        """The position of each id, -1 where the index has no such id. Any shape."""
        if self.sorted_ids_N.size == 0:
            return np.full(ids.shape, -1, np.int64)
        places = np.minimum(np.searchsorted(self.sorted_ids_N, ids), self.sorted_ids_N.size - 1)
        return np.where(self.sorted_ids_N[places] == ids, self.sorted_positions_N[places], -1)

    def added(self, ids_n: Int64, vectors_nD: Float32) -> "Snapshot":
        """With new items behind the old ones."""
        count, metric = self.items.ids_N.size, self.items.metric
        buffer = self.buffer
        if buffer is None or buffer.used != count or buffer.capacity < count + ids_n.size:
            buffer = GrowingArrays(max(SMALLEST_CAPACITY, 3 * count // 2, count + ids_n.size), self.items)
        statistics = dispatch.active().row_statistics(metric, vectors_nD)
        buffer.append(VectorSet(metric, vectors_nD, ids_n, statistics))
        order = np.argsort(ids_n, kind="stable")
        places = np.searchsorted(self.sorted_ids_N, ids_n[order])
        return Snapshot(
            buffer.view(metric),
            np.insert(self.sorted_ids_N, places, ids_n[order]),
            np.insert(self.sorted_positions_N, places, count + order),
            buffer,
        )

    def updated(self, positions_n: Int64, vectors_nD: Float32) -> "Snapshot":
        """With other vectors at some positions."""
        metric, vectors_ND, ids_N, old = self.items
        new = dispatch.active().row_statistics(metric, vectors_nD)
        vectors_ND = vectors_ND.copy()
        vectors_ND[positions_n] = vectors_nD
        statistics = RowStatistics(
            _replaced(old.means_N, positions_n, new.means_N), _replaced(old.norms_N, positions_n, new.norms_N)
        )
        items = VectorSet(metric, vectors_ND, ids_N, statistics)
        return Snapshot(items, self.sorted_ids_N, self.sorted_positions_N)

    def removed(self, positions_n: Int64) -> "Snapshot":
        """Without the items at some positions."""
        kept_N = np.ones(self.items.ids_N.size, np.bool_)
        kept_N[positions_n] = False
        statistics = RowStatistics(*(part[kept_N] if part.size else part for part in self.items.statistics))
        return Snapshot.of(
            VectorSet(self.items.metric, self.items.vectors_ND[kept_N], self.items.ids_N[kept_N], statistics)
        )


def _replaced(values_N: Float64, positions_n: Int64, new_n: Float64) -> Float64:
    if values_N.size == 0:
        return values_N
    values_N = values_N.copy()
    values_N[positions_n] = new_n
    return values_N
