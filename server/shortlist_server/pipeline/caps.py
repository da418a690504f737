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
    groups = tuple(_values(cap.attribute, rows_N, catalog) for cap in caps)
    places = -np.arange(len(order_N), dtype=np.float64)
    chosen_K, _ = rerank.capped(places, groups, tuple(cap.max_items for cap in caps), k)
    return np.asarray(order_N[chosen_K[chosen_K >= 0]])


def _values(attribute: str, rows_N: NDArray[np.int64], catalog: Catalog) -> NDArray[np.int64]:
    """Numbers for the values of the items, (N,) or (N, V), -1 for none."""
    if attribute == CATEGORY:
        return catalog.category_numbers(rows_N)
    values_N = catalog.numeric(attribute)[rows_N]
    _, numbers_N = np.unique(values_N, return_inverse=True)
    return np.asarray(np.where(np.isnan(values_N), NO_VALUE, numbers_N))
