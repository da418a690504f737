"""Caps: how many items of an answer may share a value of an attribute.

Shapes: C candidates, V values that an item has of one attribute, E memberships of items in categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import rerank
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.query import CATEGORY, Cap, Query
from shortlist_server.pipeline.reranking.rule import RankedList, Rule
from shortlist_server.pipeline.types import Batch

NO_VALUE: Final = -1


class CapsRule(Rule):
    """Leaves out of a list what no longer fits under every cap: each place takes the next item that does.

    The whole list, not only its head, keeps the caps afterwards, and so does every part of it that a later rule takes.
    """

    name = "caps"
    is_demand = True

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def applies(self, query: Query) -> bool:
        """Any cap."""
        return bool(query.caps)

    def depth(self, k: int) -> int:
        """Twice k: enough for the caps that people set, and a bound on what it costs to settle the places."""
        return 2 * k

    def apply(self, batch: Batch, lists: Sequence[RankedList]) -> list[RankedList]:
        """List by list; one that has too few items that fit becomes shorter than k, as documented."""
        return [self._keep(ranked) for ranked in lists]

    def _keep(self, ranked: RankedList) -> RankedList:
        caps = ranked.query.caps
        values = tuple(self._values(cap, ranked.rows_C) for cap in caps)
        places = -np.arange(len(ranked), dtype=np.float64)
        kept, _ = rerank.capped(places, values, tuple(cap.max_items for cap in caps), len(ranked))
        return ranked.reordered(kept[kept >= 0])

    def _values(self, cap: Cap, rows_C: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers for the values of the items, (C,) or (C, V), -1 for none."""
        if cap.attribute == CATEGORY:
            return _padded(*_that_can_bind(*self._catalog.categories(rows_C), cap.max_items), len(rows_C))
        values_C = self._catalog.numeric(cap.attribute)[rows_C]
        _, numbers_C = np.unique(values_C, return_inverse=True)
        return np.asarray(np.where(np.isnan(values_C), NO_VALUE, numbers_C))


def _that_can_bind(
    items_E: NDArray[np.int64], categories_E: NDArray[np.int64], max_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Without the categories that no more of the items have than may have them: they cost a column each."""
    many_E = np.bincount(categories_E)[categories_E] > max_items
    return items_E[many_E], categories_E[many_E]


def _padded(items_E: NDArray[np.int64], categories_E: NDArray[np.int64], num_items: int) -> NDArray[np.int64]:
    """The categories of each item, (C, most that one has), padded with -1."""
    counts_C = np.bincount(items_E, minlength=num_items)
    columns_E = np.arange(len(items_E)) - np.repeat(np.cumsum(counts_C) - counts_C, counts_C)
    categories_CV = np.full((num_items, counts_C.max(initial=0)), NO_VALUE, dtype=np.int64)
    categories_CV[items_E, columns_E] = categories_E
    return categories_CV
