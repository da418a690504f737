"""User-based collaborative filtering: the nearest of many anonymous histories, then what stands in them.

Shapes: B requests, U users of the package, N items, K results, L history positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.package.arrays import Sparse, check_numbers, open_sparse
from shortlist.package.errors import PackageError
from shortlist.package.layout import interactions_by_item_folder, interactions_folder, sparse_files
from shortlist.package.manifest import MAX_HISTORY, weights_faults
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_kernels import Csr, search_neighbours
from shortlist_server.pipeline.sources.history import (
    WeightedHistory,
    describe_weights,
    history_weights,
    weighted_history,
)
from shortlist_server.pipeline.sources.item_matrix import MatrixQuery, entries_of_row
from shortlist_server.pipeline.sources.source import Parts, Source, SourceQuery
from shortlist_server.pipeline.types import PADDING, Profiles

# Rows have length 1, so no entry is larger but for its rounding. Without a limit two products could leave float32.
MAX_ENTRY: Final = 1.0 + 1e-5


class UserNeighbours(Source):
    """Two products: the history with items x users finds the nearest users, their similarities with users x items."""

    def __init__(self, entry: manifest.Source, by_user: Csr, by_item: Csr) -> None:
        super().__init__(entry, entry.user_neighbours.history.max_items)
        self._weights = entry.user_neighbours.history
        self._num_neighbours = entry.user_neighbours.num_neighbours
        self._by_user = by_user
        self._by_item = by_item

    @classmethod
    def faults(cls, entry: manifest.Source, package: manifest.Manifest) -> list[str]:
        """Those of the weights of the history, and of the number of users."""
        settings = entry.user_neighbours
        found = list(weights_faults("user_neighbours.history", settings.history))
        if not 1 <= settings.num_neighbours <= MAX_HISTORY:
            found.append(f"user_neighbours.num_neighbours: {settings.num_neighbours} is not in 1..{MAX_HISTORY}")
        return found

    @classmethod
    def files(cls, entry: manifest.Source) -> tuple[str, ...]:
        """The interactions, both ways round."""
        by_item = sparse_files(interactions_by_item_folder(entry.name))
        return (*sparse_files(interactions_folder(entry.name)), *by_item)

    @classmethod
    def build(cls, entry: manifest.Source, parts: Parts) -> Self:
        """Map the interactions; both files hold as many entries, over as many users."""
        num_items, folder = parts.catalog.num_items, interactions_folder(entry.name)
        by_user = _open_entries(parts.root, folder, None, num_items)
        num_users = len(by_user.indptr) - 1
        by_item = _open_entries(parts.root, interactions_by_item_folder(entry.name), num_items, max(1, num_users))
        if len(by_item.data) != len(by_user.data):
            transposed = interactions_by_item_folder(entry.name)
            raise PackageError(transposed, f"holds {len(by_item.data)} entries, {folder} {len(by_user.data)}")
        return cls(entry, Csr(*by_user, (num_users, num_items)), Csr(*by_item, (num_items, num_users)))

    def query(self, profiles: Profiles, contexts: Sequence[Mapping[str, float]]) -> SourceQuery:
        """Find the nearest users; their similarities are the weights of a history of users."""
        return MatrixQuery(self._by_user, self._nearest(weighted_history(profiles, self._weights)))

    def describe(self) -> str:
        """How many users, and the weights."""
        num_users = self._by_user.shape[0]
        return f"{self._num_neighbours} of {num_users:,} users, history: {describe_weights(self._weights)}"

    def contributions(self, user: Profiles, rows_K: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """What each item of the history adds through the users that it made near: each row sums to the score."""
        nearest = self._nearest(weighted_history(user, self._weights))
        users = nearest.rows_H.astype(np.int64)
        rows_L = user.history_rows_BL[0]
        weights_L = history_weights(user, self._weights)[0].astype(np.float32).astype(np.float64)
        taken_UK = np.array([entries_of_row(self._by_user, one, rows_K) for one in users.tolist()]).reshape(
            len(users), len(rows_K)
        )
        contributions_KL = np.zeros((len(rows_K), len(rows_L)), dtype=np.float64)
        for position in np.flatnonzero((rows_L != PADDING) & (weights_L != 0.0)):
            similarity_U = entries_of_row(self._by_item, int(rows_L[position]), users)
            contributions_KL[:, position] = weights_L[position] * (similarity_U @ taken_UK)
        return contributions_KL[:, rows_L != PADDING]

    def _nearest(self, history: WeightedHistory) -> WeightedHistory:
        scores_BU, users_BU = search_neighbours(self._by_item, history, self._num_neighbours)
        known_BU = users_BU != PADDING
        indptr = np.concatenate(([0], np.cumsum(known_BU.sum(axis=1)))).astype(np.int64)
        return WeightedHistory(indptr, users_BU[known_BU].astype(np.int32), scores_BU[known_BU])


def _open_entries(root: Path, folder: str, num_rows: int | None, num_columns: int) -> Sparse:
    """Interactions one way round, mapped; PackageError unless no entry is larger than a row of length 1 can have."""
    entries = open_sparse(root, folder, num_rows, num_columns)
    check_numbers(root, sparse_files(folder)[2], entries.data, MAX_ENTRY)
    return entries
