"""Caps: how many items of an answer may share a value of an attribute.

Shapes: N candidates, V values that an item has of one attribute.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import rerank
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.query import CATEGORY, Cap

NO_VALUE = -1


def within_caps(
    order_N: NDArray[np.int64], rows_N: NDArray[np.int64], caps: Sequence[Cap], k: int, catalog: Catalog
) -> NDArray[np.int64]:
    """The first k of the order that fit under every cap, each taken where those before leave room; all if fewer fit.

    rows_N: the items' rows in the catalogue, in that order.
    """
    groups = tuple(_values(cap, rows_N, catalog) for cap in caps)
    places = -np.arange(len(order_N), dtype=np.float64)
    chosen_K, _ = rerank.capped(places, groups, tuple(cap.max_items for cap in caps), k)
    return np.asarray(order_N[chosen_K[chosen_K >= 0]])


def _values(cap: Cap, rows_N: NDArray[np.int64], catalog: Catalog) -> NDArray[np.int64]:
    """Numbers for the values of the items, (N,) or (N, V), -1 for none."""
    if cap.attribute == CATEGORY:
        return _padded(*_that_can_bind(*catalog.categories(rows_N), cap.max_items), len(rows_N))
    values_N = catalog.numeric(cap.attribute)[rows_N]
    _, numbers_N = np.unique(values_N, return_inverse=True)
    return np.asarray(np.where(np.isnan(values_N), NO_VALUE, numbers_N))


def _that_can_bind(
    places: NDArray[np.int64], numbers: NDArray[np.int64], max_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Without the categories that no more of the items have than may have them."""
    many = np.bincount(numbers)[numbers] > max_items
    return places[many], numbers[many]


def _padded(places: NDArray[np.int64], numbers: NDArray[np.int64], num_items: int) -> NDArray[np.int64]:
    """The numbers of each place, (N, most that one has), padded with -1."""
    counts_N = np.bincount(places, minlength=num_items)
    columns = np.arange(len(places)) - np.repeat(np.cumsum(counts_N) - counts_N, counts_N)
    numbers_NV = np.full((num_items, counts_N.max(initial=0)), NO_VALUE, dtype=np.int64)
    numbers_NV[places, columns] = numbers
    return numbers_NV
