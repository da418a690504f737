"""Calibration: the categories of the answer follow the mixture of the user's history.

Shapes: C candidates, L history positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import rerank
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.reranking.rule import RankedList, Rule
from shortlist_server.pipeline.types import Batch, Degraded


class CalibrationRule(Rule):
    """Takes items so that their categories resemble those of the history."""

    name = "calibration"

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def applies(self, query: Query) -> bool:
        """A strength of 0 asks for nothing."""
        return query.calibration > 0.0

    def apply(self, batch: Batch, lists: Sequence[RankedList]) -> list[RankedList]:
        """List by list; one of a user whose history has no category stays as it is, and is told so."""
        return [self._reorder(batch, ranked) for ranked in lists]

    def _reorder(self, batch: Batch, ranked: RankedList) -> RankedList:
        history_items, history_categories = self._catalog.categories(ranked.history_L)
        if not history_items.size:
            detail = "no item of the history has a category to calibrate towards"
            batch.degrade(
                ranked.request_index, Degraded(stage="RERANK", reason="COLD_START", source=self.name, detail=detail)
            )
            return ranked
        items, categories = self._catalog.categories(ranked.rows_C)
        names, numbers = np.unique(np.concatenate([history_categories, categories]), return_inverse=True)
        target = np.bincount(numbers[: len(history_items)], _parts(history_items), minlength=len(names))
        indptr = np.searchsorted(items, np.arange(len(ranked) + 1))
        groups = (indptr, numbers[len(history_items) :], np.ones(len(items)))
        chosen, _ = rerank.calibrate(
            ranked.stretched(), groups, target, min(ranked.num_places, len(ranked)), ranked.query.calibration
        )
        return ranked.headed_by(chosen)


def _parts(items: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each membership counts for: 1 for an item, in equal parts."""
    return np.asarray(1.0 / np.bincount(items)[items])
