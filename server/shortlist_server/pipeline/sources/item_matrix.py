"""The weighted history times a sparse matrix, item by item: item kNN of any measure, EASE, SLIM, Markov, content kNN.

Shapes: B requests, N items, C candidates, K results, L history positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.package.arrays import open_sparse
from shortlist.package.layout import matrix_folder, sparse_files
from shortlist.package.manifest import weights_faults
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_kernels import Csr, score_neighbours, search_neighbours
from shortlist_server.pipeline.sources.history import (
    WeightedHistory,
    describe_weights,
    history_weights,
    weighted_history,
)
from shortlist_server.pipeline.sources.source import Parts, Source, SourceQuery
from shortlist_server.pipeline.types import PADDING, Allowed, Profiles, ScoresAndRows


class ItemMatrix(Source):
    """Row h of the matrix says what an item h of the history speaks for, and how much.

    That may be h itself, which a request then gets where it lets seen items through; that is for the trainer to decide.
    """

    def __init__(self, entry: manifest.Source, matrix: Csr) -> None:
        super().__init__(entry, entry.item_matrix.history.max_items)
        self._weights = entry.item_matrix.history
        self._matrix = matrix

    @classmethod
    def faults(cls, entry: manifest.Source, package: manifest.Manifest) -> list[str]:
        """Those of the weights of the history."""
        return list(weights_faults("item_matrix.history", entry.item_matrix.history))

    @classmethod
    def files(cls, entry: manifest.Source) -> tuple[str, ...]:
        """The matrix."""
        return sparse_files(matrix_folder(entry.name))

    @classmethod
    def build(cls, entry: manifest.Source, parts: Parts) -> Self:
        """Map the matrix, which is sound."""
        num_items = parts.catalog.num_items
        matrix = open_sparse(parts.root, matrix_folder(entry.name), num_items, num_items)
        return cls(entry, Csr(*matrix, (num_items, num_items)))

    def query(self, profiles: Profiles, contexts: Sequence[Mapping[str, float]]) -> SourceQuery:
        """Lay the histories out as the kernels take them."""
        return MatrixQuery(self._matrix, weighted_history(profiles, self._weights))

    def describe(self) -> str:
        """The size of the matrix and the weights."""
        return f"{len(self._matrix.data):,} entries, history: {describe_weights(self._weights)}"

    def similar(
        self, row: int, mask_N: NDArray[np.bool_], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """What a history of this item alone leads to."""
        history = (np.array([0, 1], np.int64), np.array([row], np.int32), np.ones(1, np.float32))
        scores_1K, rows_1K = search_neighbours(self._matrix, history, k, mask=mask_N)
        return scores_1K[0], rows_1K[0]

    def contributions(self, user: Profiles, rows_K: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Weight x entry: each row sums to the score."""
        rows_L = user.history_rows_BL[0]
        weights_L = history_weights(user, self._weights)[0].astype(np.float32).astype(np.float64)
        contributions_KL = np.zeros((len(rows_K), len(rows_L)), dtype=np.float64)
        for position in np.flatnonzero((rows_L != PADDING) & (weights_L != 0.0)):
            parts_K = entries_of_row(self._matrix, int(rows_L[position]), rows_K)
            contributions_KL[:, position] = weights_L[position] * parts_K
        return contributions_KL[:, rows_L != PADDING]


def entries_of_row(matrix: Csr, row: int, columns_K: NDArray[np.int64]) -> NDArray[np.float64]:
    """The entries of one row at these columns, (K,); 0 where there is none. Entries of one column add up."""
    stored = slice(matrix.indptr[row], matrix.indptr[row + 1])
    indices, data = matrix.indices[stored], matrix.data[stored].astype(np.float64)
    order = np.argsort(columns_K, kind="stable")
    places = np.searchsorted(columns_K[order], indices)
    hits = np.flatnonzero((places < len(order)) & (columns_K[order][np.minimum(places, len(order) - 1)] == indices))
    entries_K = np.zeros(len(columns_K), dtype=np.float64)
    np.add.at(entries_K, order[places[hits]], data[hits])
    return entries_K


class MatrixQuery(SourceQuery):
    """A matrix with the weighted histories of a batch: rows of the history against columns that are items."""

    def __init__(self, matrix: Csr, history: WeightedHistory) -> None:
        self.failed_B = np.zeros(len(history.indptr) - 1, dtype=np.bool_)
        self._matrix = matrix
        self._history = history

    def retrieve(self, allowed: Allowed, k: int) -> ScoresAndRows:
        """The allowed items with a sum that is not 0."""
        scores_BC = np.full((len(self.failed_B), k), -np.inf, dtype=np.float32)
        rows_BC = np.full(scores_BC.shape, PADDING, dtype=np.int64)
        for indices_G, mask_N, exclude in allowed.groups:
            history = _take(self._history, indices_G)
            found = search_neighbours(self._matrix, history, k, mask=mask_N, exclude=exclude)
            scores_BC[indices_G], rows_BC[indices_G] = found
        return ScoresAndRows(scores_BC, rows_BC)

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """The sum of every candidate, 0 for one that no history item speaks for."""
        return score_neighbours(self._matrix, self._history, rows_BC)


def _take(history: WeightedHistory, indices_G: NDArray[np.int64]) -> WeightedHistory:
    """The histories of some requests."""
    if len(indices_G) == len(history.indptr) - 1:
        return history
    lengths = np.diff(history.indptr)[indices_G]
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    entries = np.arange(indptr[-1]) + np.repeat(history.indptr[indices_G] - indptr[:-1], lengths)
    return WeightedHistory(indptr, history.rows_H[entries], history.weights_H[entries])
