"""filter: which items each request may get, as masks, so that every source selects among allowed items only.

Shapes: B requests, I items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.filter_pb2 import SEEN_POLICY_EXCLUDE_PURCHASED, SEEN_POLICY_INCLUDE
from shortlist.v1.history_pb2 import EVENT_TYPE_DISLIKE, EVENT_TYPE_PURCHASE
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.batch import PADDING, Batch, Profiles
from shortlist_server.pipeline.query import Filters, NumericRange

FINAL_TYPES = (EVENT_TYPE_PURCHASE, EVENT_TYPE_DISLIKE)


def filter_items(batch: Batch, profiles: Profiles, *, catalog: Catalog) -> NDArray[np.bool_]:
    """A mask (B, I), True where the item is allowed: the rules of the request and its policy on seen items."""
    mask_BI = np.empty((len(batch), catalog.num_items), dtype=np.bool_)
    for request, query in enumerate(batch.queries):
        mask_BI[request] = allowed_by_rules(query.filters, catalog)
        seen = _excluded_seen(query.filters.seen_policy, profiles.seen_rows[request], profiles.seen_types[request])
        mask_BI[request, seen] = False
    return mask_BI


def allowed_by_rules(filters: Filters, catalog: Catalog) -> NDArray[np.bool_]:
    """A mask (I,) of the items that satisfy every rule; who has seen what is no rule. Not to be written to."""
    masks = list(_masks(filters, catalog))
    if not masks:
        return np.ones(catalog.num_items, dtype=np.bool_)
    return masks[0] if len(masks) == 1 else np.logical_and.reduce(masks)


def _masks(filters: Filters, catalog: Catalog) -> list[NDArray[np.bool_]]:
    masks = []
    if filters.only_available:
        masks.append(catalog.available)
    if filters.allow_ids is not None:
        masks.append(_mask_of(filters.allow_ids, catalog))
    if filters.deny_ids:
        masks.append(~_mask_of(filters.deny_ids, catalog))
    if filters.categories_any:
        masks.append(np.logical_or.reduce([catalog.category_mask(name) for name in filters.categories_any]))
    masks.extend(catalog.category_mask(name) for name in filters.categories_all)
    masks.extend(~catalog.category_mask(name) for name in filters.categories_none)
    masks.extend(_in_range(bounds, catalog) for bounds in filters.ranges)
    return masks


def _mask_of(item_ids: Sequence[str], catalog: Catalog) -> NDArray[np.bool_]:
    mask_I = np.zeros(catalog.num_items, dtype=np.bool_)
    rows = catalog.rows(item_ids)
    mask_I[rows[rows != PADDING]] = True
    return mask_I


def _in_range(bounds: NumericRange, catalog: Catalog) -> NDArray[np.bool_]:
    """NaN, an item without the attribute, lies in no range."""
    values_I = catalog.numeric(bounds.attribute)
    inside: NDArray[np.bool_] = (values_I >= bounds.minimum) & (values_I <= bounds.maximum)
    return inside


def _excluded_seen(policy: int, rows: NDArray[np.int64], types: NDArray[np.uint8]) -> NDArray[np.int64]:
    if policy == SEEN_POLICY_INCLUDE:
        return rows[:0]
    if policy == SEEN_POLICY_EXCLUDE_PURCHASED:
        return rows[np.isin(types, FINAL_TYPES)]
    return rows
