"""The kinds of sources of the manifest: how each retrieves and scores.

B queries, K results, M given candidates, N items, D dimensions. A fitted model and a package opened from disk answer by
the same classes; `shortlist/v1/manifest.proto` defines what they compute.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.manifest_pb2 import HistoryWeights
from shortlist_kernels import Csr, VectorIndex, score_neighbours, search_neighbours
from shortlist_training.data.queries import Queries
from shortlist_training.sources.graphs import GraphModel

Float32 = NDArray[np.float32]
Rows = NDArray[np.int64]
Allowed = NDArray[np.bool_]
Retrieved = tuple[Float32, Rows]
"""Lists, best first, ties by row: scores (B, K) and rows (B, K), padded with -inf and -1."""
Encode = Callable[[Queries], Float32]
"""From queries to one vector (B, D) each."""


class Kind(Protocol):
    """What every kind answers."""

    @property
    def needs_history(self) -> bool:
        """True when it has nothing to say about a user without history."""
        ...

    @property
    def retrieves(self) -> bool:
        """False when it only scores what others retrieve."""
        ...

    def retrieve(self, queries: Queries, k: int, allowed_N: Allowed) -> Retrieved:
        """The k best allowed, unseen items of each query."""
        ...

    def score(self, queries: Queries, rows_BM: Rows | None = None) -> Float32:
        """The raw score (B, M) of every given item, 0 where the row is -1; of all items (B, N) without rows."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ItemScores:
    """One score an item, for everybody."""

    scores_N: Float32
    needs_history: bool = False
    retrieves: bool = True

    def retrieve(self, queries: Queries, k: int, allowed_N: Allowed) -> Retrieved:
        """The first k of the one order of all items that each user may get."""
        order = np.lexsort((np.arange(len(self.scores_N)), -self.scores_N))
        head = order[allowed_N[order]][: k + int(queries.seen.lengths().max(initial=0))]
        free_BH = ~np.isin(_keys(queries, head, len(order)), _seen_keys(queries, len(order)))
        # Places count from 1 among the free items; the first k of them are taken.
        places_BH = np.cumsum(free_BH, axis=1)
        users, columns = np.nonzero(free_BH & (places_BH <= k))
        scores_BK = np.full((len(queries), k), -np.inf, np.float32)
        rows_BK = np.full((len(queries), k), -1, np.int64)
        places = places_BH[users, columns] - 1
        rows_BK[users, places] = head[columns]
        scores_BK[users, places] = self.scores_N[head[columns]]
        return scores_BK, rows_BK

    def score(self, queries: Queries, rows_BM: Rows | None = None) -> Float32:
        """The score of every candidate."""
        if rows_BM is None:
            return np.tile(self.scores_N, (len(queries), 1))
        return np.where(rows_BM < 0, np.float32(0), self.scores_N[rows_BM])


@dataclass(frozen=True, slots=True, eq=False)
class ItemMatrix:
    """The weighted history times a matrix (N, N) in compressed rows; a sum of 0 is not retrieved."""

    matrix: Csr
    weights: HistoryWeights
    needs_history: bool = True
    retrieves: bool = True

    def retrieve(self, queries: Queries, k: int, allowed_N: Allowed) -> Retrieved:
        """The items with the largest sums."""
        history = queries.weighted(self.weights)
        return search_neighbours(self.matrix, history, k, mask=allowed_N, exclude=queries.exclude)

    def score(self, queries: Queries, rows_BM: Rows | None = None) -> Float32:
        """The sum of every candidate."""
        rows_BM = _all_rows(queries, self.matrix.shape[1]) if rows_BM is None else rows_BM
        return score_neighbours(self.matrix, queries.weighted(self.weights), rows_BM)


@dataclass(frozen=True, slots=True, eq=False)
class UserVector:
    """The items nearest to a vector of the user; nothing for a user without history."""

    index: VectorIndex
    encode: Encode
    needs_history: bool = True
    retrieves: bool = True

    def retrieve(self, queries: Queries, k: int, allowed_N: Allowed) -> Retrieved:
        """The exact nearest items."""
        scores_BK, rows_BK = self.index.search(self.encode(queries), k, exclude=queries.exclude, mask=allowed_N)
        cold_B = ~queries.with_history_B
        scores_BK[cold_B], rows_BK[cold_B] = -np.inf, -1
        return scores_BK, rows_BK

    def score(self, queries: Queries, rows_BM: Rows | None = None) -> Float32:
        """How near every candidate is; 0 without history."""
        rows_BM = _all_rows(queries, len(self.index)) if rows_BM is None else rows_BM
        return _for_known(queries, rows_BM, self.index.score(self.encode(queries), rows_BM))


@dataclass(frozen=True, slots=True, eq=False)
class UserNeighbours:
    """What the users with the most similar histories took: users x items, and the same transposed."""

    by_user: Csr
    by_item: Csr
    weights: HistoryWeights
    num_neighbours: int
    needs_history: bool = True
    retrieves: bool = True

    def retrieve(self, queries: Queries, k: int, allowed_N: Allowed) -> Retrieved:
        """The items with the largest sums over the nearest users."""
        return search_neighbours(self.by_user, self._nearest(queries), k, mask=allowed_N, exclude=queries.exclude)

    def score(self, queries: Queries, rows_BM: Rows | None = None) -> Float32:
        """The sum of every candidate over the nearest users."""
        rows_BM = _all_rows(queries, self.by_user.shape[1]) if rows_BM is None else rows_BM
        return score_neighbours(self.by_user, self._nearest(queries), rows_BM)

    def _nearest(self, queries: Queries) -> tuple[Rows, NDArray[np.int32], Float32]:
        """The nearest users of each query with their similarity, laid out as a history of users."""
        similarity_BK, users_BK = search_neighbours(self.by_item, queries.weighted(self.weights), self.num_neighbours)
        found_BK = users_BK >= 0
        indptr = np.concatenate(([0], np.cumsum(found_BK.sum(axis=1)))).astype(np.int64)
        return indptr, users_BK[found_BK].astype(np.int32), similarity_BK[found_BK]


@dataclass(frozen=True, slots=True, eq=False)
class CandidateScorer:
    """A graph that scores candidates of other sources."""

    model: GraphModel
    num_items: int
    needs_history: bool = True
    retrieves: bool = False

    def retrieve(self, queries: Queries, k: int, allowed_N: Allowed) -> Retrieved:
        """Nothing."""
        return np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)

    def score(self, queries: Queries, rows_BM: Rows | None = None) -> Float32:
        """The graph's score of every candidate; 0 without history."""
        rows_BM = _all_rows(queries, self.num_items) if rows_BM is None else rows_BM
        return _for_known(queries, rows_BM, self.model.score(queries, rows_BM))


def mean_vectors(index: VectorIndex, weights: HistoryWeights) -> Encode:
    """The weighted sum of the vectors of the history's items, float32 (B, D)."""

    def encode(queries: Queries) -> Float32:
        indptr, rows, weights_H = queries.weighted(weights)
        sums_BD = np.zeros((len(queries), index.dim))
        owners_H = np.repeat(np.arange(len(queries)), np.diff(indptr))
        np.add.at(sums_BD, owners_H, weights_H[:, None].astype(np.float64) * index.vectors(rows.astype(np.int64)))
        return sums_BD.astype(np.float32)

    return encode


def _keys(queries: Queries, rows: Rows, num_items: int) -> Rows:
    """(B, H): one number for every pair of a user and one of these rows."""
    return np.arange(len(queries))[:, None] * num_items + rows


def _seen_keys(queries: Queries, num_items: int) -> Rows:
    """The numbers of the pairs of users and items that they have seen."""
    return np.repeat(np.arange(len(queries)), queries.seen.lengths()) * num_items + queries.seen.rows


def _all_rows(queries: Queries, num_items: int) -> Rows:
    return np.broadcast_to(np.arange(num_items, dtype=np.int64), (len(queries), num_items))


def _for_known(queries: Queries, rows_BM: Rows, scores_BM: Float32) -> Float32:
    return np.where((rows_BM < 0) | ~queries.with_history_B[:, None], np.float32(0), scores_BM)
