"""Caps: how many items of an answer may share a value of an attribute.

Shapes: C candidates.
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
        """Numbers for the values of the items, (C,), or (C, most that one has), -1 for none."""
        if cap.attribute == CATEGORY:
            return _padded(*_that_can_bind(*self._catalog.categories(rows_C), cap.max_items), len(rows_C))
        values_C = self._catalog.numeric(cap.attribute)[rows_C]
        _, numbers_C = np.unique(values_C, return_inverse=True)
        return np.asarray(np.where(np.isnan(values_C), NO_VALUE, numbers_C))


def _that_can_bind(
    items: NDArray[np.int64], categories: NDArray[np.int64], max_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Without the categories that no more of the items have than may have them: they cost a column each."""
    many = np.bincount(categories)[categories] > max_items
    return items[many], categories[many]


def _padded(items: NDArray[np.int64], categories: NDArray[np.int64], num_items: int) -> NDArray[np.int64]:
    """The categories of each item, (C, most that one has), padded with -1."""
    counts_C = np.bincount(items, minlength=num_items)
    columns = np.arange(len(items)) - np.repeat(np.cumsum(counts_C) - counts_C, counts_C)
    values = np.full((num_items, counts_C.max(initial=0)), NO_VALUE, dtype=np.int64)
    values[items, columns] = categories
    return values
