"""Exposure: the shares that the items of categories have in every head of an answer.

Shapes: C candidates. The groups are one a constraint, and one of all other items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import rerank
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.query import Query, ShareLimits
from shortlist_server.pipeline.reranking.rule import RankedList, Rule
from shortlist_server.pipeline.types import Batch, Degraded


class ExposureRule(Rule):
    """Takes the items that keep the shares of the request and lose the least value."""

    name = "exposure_constraints"
    is_demand = True

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._number_of = {name: number for number, name in enumerate(catalog.category_names)}

    def applies(self, query: Query) -> bool:
        """Any constraint."""
        return bool(query.exposure)

    def depth(self, k: int) -> int:
        """Twice k, as for caps: the item that a share demands may stand anywhere, most often it does not stand far."""
        return 2 * k

    def apply(self, batch: Batch, lists: Sequence[RankedList]) -> list[RankedList]:
        """List by list; where the items of a list do not allow all shares, the reply says so."""
        return [self._take(batch, ranked) for ranked in lists]

    def _take(self, batch: Batch, ranked: RankedList) -> RankedList:
        limits = ranked.query.exposure
        groups_C = self._groups(limits, ranked.rows_C)
        least = np.array([*(limit.min_share for limit in limits), 0.0])
        most = np.array([*(limit.max_share for limit in limits), 1.0])
        num_places = min(ranked.num_places, len(ranked))
        chosen, _ = rerank.exposure(ranked.values_C, groups_C, least, most, num_places)
        num_outside = int(rerank.count_outside_shares(chosen, groups_C, least, most))
        if num_outside:
            detail = f"the candidates do not allow every share: {num_outside} of {num_places} places miss one"
            batch.degrade(
                ranked.request_index, Degraded(stage="RERANK", reason="UNMET", source=self.name, detail=detail)
            )
        return ranked.reordered(chosen)

    def _groups(self, limits: Sequence[ShareLimits], rows_C: NDArray[np.int64]) -> NDArray[np.int64]:
        """The group of each item: the first constraint whose category it has."""
        groups_C = np.full(len(rows_C), len(limits), dtype=np.int64)
        items, categories = self._catalog.categories(rows_C)
        for group in reversed(range(len(limits))):
            groups_C[items[categories == self._number_of[limits[group].category]]] = group
        return groups_C
