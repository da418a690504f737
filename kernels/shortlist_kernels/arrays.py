"""The arrays that pass between the public functions and the backends.

Shape letters used in this package: Q queries, N items of an index, D dimensions, K results, M candidates, R rows of a
matrix, S lists to fuse.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]
Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Bits: TypeAlias = NDArray[np.uint8]
Lookup: TypeAlias = Callable[[Int64], Int64]
AnyArray: TypeAlias = NDArray[Any]

METRICS = ("inner_product", "cosine", "euclidean", "pearson")


class Csr(NamedTuple):
    """A sparse matrix in compressed rows: row r is `indices[indptr[r]:indptr[r + 1]]` with the same slice of `data`."""

    indptr: Int64
    indices: Int32
    data: Float32
    shape: tuple[int, int]


class RowStatistics(NamedTuple):
    """What a metric needs of each vector beside its values; arrays are empty where it needs nothing."""

    means_N: Float64
    norms_N: Float64


class VectorSet(NamedTuple):
    """The items that a search goes through, all of one moment: nothing in here changes after it was made."""

    metric: str
    vectors_ND: Float32
    ids_N: Int64
    statistics: RowStatistics


class PositionLists(NamedTuple):
    """One ascending list of distinct positions per query, or a single list (indptr of two entries) that serves all."""

    indptr: Int64
    positions: Int64

    def of(self, query: int) -> Int64:
        """The positions for one query."""
        row = 0 if self.indptr.size == 2 else query
        return self.positions[self.indptr[row] : self.indptr[row + 1]]


class Filters(NamedTuple):
    """Which items each query may get. `mask_bits` is (1 or Q, ceil(N / 8)), little-endian bits, 1 = allowed."""

    mask_bits: Bits | None = None
    allow: PositionLists | None = None
    exclude: PositionLists | None = None


class History(NamedTuple):
    """Weighted rows per query: those of query q are `rows[indptr[q]:indptr[q + 1]]`, oldest first."""

    indptr: Int64
    rows: Int32
    weights: Float32
