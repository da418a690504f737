"""The arrays that pass between the public functions and the backends.

Shape letters used in this package: Q queries, N items of an index, D dimensions, K results, M candidates, R rows of a
matrix, S lists to fuse, G groups, A attributes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]
Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
UInt32: TypeAlias = NDArray[np.uint32]
UInt64: TypeAlias = NDArray[np.uint64]
Bits: TypeAlias = NDArray[np.uint8]
Lookup: TypeAlias = Callable[[Int64], Int64]
AnyArray: TypeAlias = NDArray[Any]

# In the order of `similarity_kind` in cpu/kernels.h.
SIMILARITIES = ("cosine", "co_rated_cosine", "adjusted_cosine", "pearson", "jaccard", "euclidean", "dot")

METRICS = ("inner_product", "cosine", "euclidean", "pearson")
FUSION_METHODS = ("rrf", "weighted", "max", "round_robin", "borda")
FUSION_NORMS = ("minmax", "zscore", "none")


class Csr(NamedTuple):
    """A sparse matrix in compressed rows: row r is `indices[indptr[r]:indptr[r + 1]]` with the same slice of `data`."""

    indptr: Int64
    indices: Int32
    data: Float32
    shape: tuple[int, int]


class Measure(NamedTuple):
    """A similarity of `neighbours` with its settings."""

    similarity: str
    shrinkage: float
    min_overlap: int

    @property
    def number(self) -> int:
        """Its place in `SIMILARITIES`."""
        return SIMILARITIES.index(self.similarity)


class GivenRows(NamedTuple):
    """Sparse rows whose neighbours are sought; owners_G[g] is which of the compared rows g is, -1 for none."""

    indptr: Int64
    indices: Int32
    data: Float32
    owners_G: Int64
    num_columns: int
    is_whole: bool  # all compared rows, in their order


class ComparedRows(NamedTuple):
    """The rows of a sparse matrix among which neighbours are sought, by column, and what measures need of them."""

    by_column: Csr  # (C, R), indices ascending
    squares_R: Float64  # sums of squares
    norms_R: Float64  # their roots
    sizes_R: Int64  # numbers of entries
    column_means_C: Float64  # of the entries of a column, 0 where it has none


class Centring(NamedTuple):
    """What ratings are taken as differences from: mean + rows_R[row] + columns_C[column]."""

    mean: float
    rows_R: Float64
    columns_C: Float64


class RatingPairs(NamedTuple):
    """Pairs (rows_G[g], columns_P[p]) for p from starts_G[g] to starts_G[g + 1] - 1, rows distinct."""

    starts_G: Int64
    rows_G: Int64
    columns_P: Int64
    fallbacks_P: Float64  # what is predicted where there are too few neighbours


class RowStatistics(NamedTuple):
    """What a metric needs of each vector beside its values; arrays are empty where it needs nothing."""

    means_N: Float64
    norms_N: Float64


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


class RankedLists(NamedTuple):
    """S lists per query, best first. Ids and scores are (Q, K_s); entries of id -1 or score -inf are absent."""

    ids: tuple[Int64, ...]
    scores: tuple[Float32 | Float64, ...]
    weights: Float64


class EntryPlace(NamedTuple):
    """One entry of `RankedLists`: `ids[number][query, place]`."""

    query: int
    number: int
    place: int


class Memberships(NamedTuple):
    """The groups of candidates: row r belongs to `groups[indptr[r]:indptr[r + 1]]`, ascending, by as much of `weights`.

    `rows_QN` says which row a candidate has; None: its own, number q * N + n.
    """

    rows_QN: Int64 | None
    indptr: Int64
    groups: Int64
    weights: Float64


class SearchCounts(NamedTuple):
    """What searches did."""

    num_queries: int = 0
    num_results: int = 0  # asked of the queries that were answered through codes
    num_rescored: int = 0  # items that those queries scored in float64
    num_exhaustive: int = 0  # queries for which every allowed item was scored

    def plus(self, other: "SearchCounts") -> "SearchCounts":
        """Both together."""
        return SearchCounts(*(own + added for own, added in zip(self, other, strict=True)))


class Items(Protocol):
    """The items of an index, as the reference reads them; see `store.ItemStore`."""

    metric: str

    def ids_N(self) -> Int64:
        """The ids in the order of their positions."""

    def vectors_ND(self) -> Float32:
        """The vectors in the order of their positions."""


def joined(answers: list[tuple[Float32, Int64]]) -> tuple[Int64, Float32, Int64]:
    """Lists of scores and ids one behind the other, and where each begins: indptr (Q + 1), scores (R), ids (R)."""
    indptr = np.cumsum([0, *(ids.size for _, ids in answers)]).astype(np.int64)
    scores = np.concatenate([np.empty(0, np.float32), *(scores for scores, _ in answers)])
    return indptr, scores, np.concatenate([np.empty(0, np.int64), *(ids for _, ids in answers)])
