"""Item-based collaborative filtering: an item is worth the similarities to what the user touched, older ones decayed.

Shapes: B requests, I items, L history positions, C candidates, H history items of all requests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import Csr, score_neighbours, search_neighbours
from shortlist_server.catalog.manifest import ItemNeighboursSource
from shortlist_server.pipeline.batch import Profiles, RowsAndScores


class ItemNeighbours:
    """The item-neighbours source of a package."""

    needs_history = True

    def __init__(self, spec: ItemNeighboursSource, neighbours: Csr) -> None:
        self.name = spec.name
        self.weight = spec.weight
        self.neighbours = neighbours
        self._history_decay = spec.history_decay

    def history_weights(self, num_positions: int) -> NDArray[np.float32]:
        """The weight of each of the last `num_positions` items, oldest first: decay ** steps from the newest."""
        steps = np.arange(num_positions - 1, -1, -1)
        weights: NDArray[np.float32] = np.power(self._history_decay, steps, dtype=np.float64).astype(np.float32)
        return weights

    def ask(self, profiles: Profiles) -> AskedItemNeighbours:
        """Lay the histories out as the kernels take them, oldest item first."""
        known_BL = profiles.known_BL
        weights_BL = np.broadcast_to(self.history_weights(known_BL.shape[1]), known_BL.shape)
        indptr = np.concatenate(([0], np.cumsum(known_BL.sum(axis=1)))).astype(np.int64)
        rows_H = profiles.history_rows_BL[known_BL].astype(np.int32)
        return AskedItemNeighbours(self.neighbours, (indptr, rows_H, np.ascontiguousarray(weights_BL[known_BL])))


class AskedItemNeighbours:
    """The source with the histories of one batch."""

    def __init__(
        self, neighbours: Csr, history: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
    ) -> None:
        self._neighbours = neighbours
        self._history = history

    def retrieve(self, mask_BI: NDArray[np.bool_], k: int) -> RowsAndScores:
        """The allowed items that are a neighbour of any history item."""
        scores_BC, rows_BC = search_neighbours(self._neighbours, self._history, k, mask=mask_BI)
        return RowsAndScores(rows_BC, scores_BC)

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """The summed similarity of every candidate, 0 for a stranger to the history."""
        return score_neighbours(self._neighbours, self._history, rows_BC)
