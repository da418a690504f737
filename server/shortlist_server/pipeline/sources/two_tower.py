"""Two towers: the user tower makes a vector of the history, the index finds the items whose vectors fit it best.

Shapes: B requests, U users with a history, I items, C candidates, D dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import VectorIndex
from shortlist_server.catalog.manifest import TwoTowerSource
from shortlist_server.inference import OnnxModel
from shortlist_server.pipeline.batch import PADDING, Profiles, RowsAndScores
from shortlist_server.pipeline.features import FeatureInputs, build_features


class TwoTower:
    """The two-tower source of a package."""

    needs_history = True

    def __init__(self, spec: TwoTowerSource, user_tower: OnnxModel, items: VectorIndex, num_threads: int) -> None:
        self.name = spec.name
        self.weight = spec.weight
        self._user_tower = user_tower
        self._items = items
        self._num_threads = num_threads
        self._features = {tensor.name: tensor.feature for tensor in user_tower.spec.inputs}
        self._output = user_tower.spec.outputs[0].name

    def ask(self, profiles: Profiles) -> AskedTwoTower:
        """Run the user tower, once for all users that have a history."""
        known_U = np.flatnonzero(~profiles.cold_B)
        inputs = build_features(self._features, FeatureInputs(profiles=profiles.take(known_U)))
        vectors_UD = self._user_tower.run(inputs)[self._output] if known_U.size else None
        return AskedTwoTower(self._items, known_U, vectors_UD, len(profiles), self._num_threads)


class AskedTwoTower:
    """The source with the user vectors of one batch; users without history have none and retrieve nothing."""

    def __init__(
        self,
        items: VectorIndex,
        known_U: NDArray[np.int64],
        vectors_UD: NDArray[np.float32] | None,
        num_requests: int,
        num_threads: int,
    ) -> None:
        self._items = items
        self._known_U = known_U
        self._vectors_UD = vectors_UD
        self._num_requests = num_requests
        self._num_threads = num_threads

    def retrieve(self, mask_BI: NDArray[np.bool_], k: int) -> RowsAndScores:
        """One scan of the catalogue for the whole batch."""
        rows_BC = np.full((self._num_requests, k), PADDING, dtype=np.int64)
        scores_BC = np.full((self._num_requests, k), -np.inf, dtype=np.float32)
        if self._vectors_UD is not None:
            mask_UI = mask_BI[self._known_U]
            found, ids = self._items.search(self._vectors_UD, k, mask=mask_UI, num_threads=self._num_threads)
            scores_BC[self._known_U], rows_BC[self._known_U] = found, ids
        return RowsAndScores(rows_BC, scores_BC)

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """The exact score of every candidate."""
        scores_BC = np.zeros(rows_BC.shape, dtype=np.float32)
        if self._vectors_UD is not None:
            known_rows = rows_BC[self._known_U]
            found = self._items.score(self._vectors_UD, known_rows)
            scores_BC[self._known_U] = np.where(known_rows == PADDING, np.float32(0), found)
        return scores_BC
