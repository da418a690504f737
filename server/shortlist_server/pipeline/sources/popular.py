"""What most people take: the popularity column, the only source that needs to know nothing about the user.

Shapes: B requests, I items, C candidates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist_server.pipeline.batch import PADDING, Profiles, RowsAndScores

OVERSAMPLING = 4


class Popular:
    """The popular source of a package. The order of all items is computed once; a request walks down it."""

    needs_history = False

    def __init__(self, name: str, weight: float, popularity_I: NDArray[np.float32]) -> None:
        self.name = name
        self.weight = weight
        self._popularity_I = popularity_I
        self._order_I = np.argsort(-popularity_I, kind="stable")

    def ask(self, profiles: Profiles) -> Popular:
        """Everybody gets the same answer."""
        return self

    def retrieve(self, mask_BI: NDArray[np.bool_], k: int) -> RowsAndScores:
        """The k most popular allowed items of each request, ties by row."""
        rows_BC = np.full((len(mask_BI), k), PADDING, dtype=np.int64)
        scores_BC = np.full((len(mask_BI), k), -np.inf, dtype=np.float32)
        for request, mask_I in enumerate(mask_BI):
            rows = self._walk(mask_I, k)
            rows_BC[request, : len(rows)] = rows
            scores_BC[request, : len(rows)] = self._popularity_I[rows]
        return RowsAndScores(rows_BC, scores_BC)

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """The popularity of every candidate."""
        return np.where(rows_BC == PADDING, np.float32(0), self._popularity_I[rows_BC])

    def _walk(self, mask_I: NDArray[np.bool_], k: int) -> NDArray[np.int64]:
        num_items, depth = len(self._order_I), k * OVERSAMPLING
        while True:
            head = self._order_I[:depth]
            rows = head[mask_I[head]][:k]
            if len(rows) == k or depth >= num_items:
                return rows
            depth *= OVERSAMPLING
