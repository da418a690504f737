"""Freshness: new items are favoured, the less the older they are.

Shapes: C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shortlist.package.features import SECONDS_PER_DAY
from shortlist_kernels import rerank
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.query import Freshness, Query
from shortlist_server.pipeline.reranking.rule import RankedList, Rule
from shortlist_server.pipeline.types import Batch

# For items without a date. Nothing is left of any favour after 10^12 of the longest half-lives.
INFINITE_DAYS: Final = 1e18


class FreshnessRule(Rule):
    """Orders by value mixed with the age of items."""

    name = "freshness"

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def applies(self, query: Query) -> bool:
        """A weight of 0 asks for nothing."""
        return query.freshness is not None and query.freshness.weight > 0.0

    def apply(self, batch: Batch, lists: Sequence[RankedList]) -> list[RankedList]:
        """The whole lists: an item of any place may be new."""
        return [self._reorder(ranked) for ranked in lists]

    def _reorder(self, ranked: RankedList) -> RankedList:
        wish = ranked.query.freshness
        assert wish is not None
        order_C, _ = rerank.freshness(
            ranked.stretched(), self._ages_days(ranked, wish), len(ranked), wish.half_life_days, wish.weight
        )
        return ranked.reordered(order_C)

    def _ages_days(self, ranked: RankedList, wish: Freshness) -> NDArray[np.float64]:
        appeared_C = self._catalog.numeric(wish.attribute)[ranked.rows_C]
        ages_C = (ranked.query.timestamp - appeared_C) / SECONDS_PER_DAY
        return np.clip(np.where(np.isnan(ages_C), INFINITE_DAYS, ages_C), 0.0, INFINITE_DAYS)
