"""filter: which items each request may get, so that every source selects among allowed items only.

Rules are looked at once: equal ones share a mask within a batch, and between batches as long as it is remembered.
Shapes: B requests, N items.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.query import DISLIKE, PURCHASE, Filters, NumericRange, SeenPolicyName
from shortlist_server.pipeline.types import PADDING, Allowed, Batch, Profiles

FINAL_TYPES: Final = (PURCHASE, DISLIKE)
# 64 masks of a million items, more than the rules that the pages of a shop have; a small part of what such a package
# takes itself.
MAX_REMEMBERED_BYTES: Final = 64 << 20
# What rules cost as the key of a mask: an id or a name as a Python string, and the rest of an entry.
BYTES_A_NAME: Final = 100
BYTES_AN_ENTRY: Final = 1000

Mask = NDArray[np.bool_]


def filter_items(batch: Batch, profiles: Profiles, *, masks: RuleMasks) -> Allowed:
    """What the rules of each request allow, and what its policy on seen items takes away.

    The candidates of `Rank` are a rule of that request alone.
    """
    number_of: dict[Filters | int, int] = {}
    distinct: list[Mask | None] = []
    mask_B = np.zeros(len(batch), dtype=np.int64)
    for index, query in enumerate(batch.queries):
        key = query.filters if query.candidate_ids is None else index
        if key not in number_of:
            number_of[key] = len(distinct)
            ids = query.candidate_ids
            distinct.append(masks.of(query.filters) if ids is None else masks.of_ids(ids))
        mask_B[index] = number_of[key]
    excluded_rows = tuple(
        _excluded(query.seen_policy, rows, types)
        for query, rows, types in zip(batch.queries, profiles.seen_rows, profiles.seen_types, strict=True)
    )
    return Allowed(masks=tuple(distinct), mask_B=mask_B, excluded_rows=excluded_rows)


class RuleMasks:
    """The items that rules allow, by the rules; those used last are remembered, up to `max_bytes` of masks and rules.

    Masks stay right as long as the catalogue does not change, and must not be written to. Safe to use from several
    threads.
    """

    def __init__(self, catalog: Catalog, max_bytes: int = MAX_REMEMBERED_BYTES) -> None:
        self._catalog = catalog
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._remembered: OrderedDict[Filters, Mask | None] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, filters: Filters) -> Mask | None:
        """True for the items that satisfy every rule, (N,); None where all do."""
        with self._lock:
            if filters in self._remembered:
                self._remembered.move_to_end(filters)
                return self._remembered[filters]
        mask_N = allowed_by_rules(filters, self._catalog)
        self._remember(filters, mask_N)
        return mask_N

    def of_ids(self, item_ids: Sequence[str]) -> Mask:
        """True for these items, (N,). Not remembered: it is one caller's list."""
        return _mask_of(item_ids, self._catalog)

    @property
    def num_bytes(self) -> int:
        """What is remembered takes about this."""
        return self._num_bytes

    def _remember(self, filters: Filters, mask_N: Mask | None) -> None:
        num_bytes = _num_bytes(filters, mask_N)
        if num_bytes > self._max_bytes:
            return
        with self._lock:
            if filters not in self._remembered:
                self._remembered[filters] = mask_N
                self._num_bytes += num_bytes
            while self._num_bytes > self._max_bytes:
                self._num_bytes -= _num_bytes(*self._remembered.popitem(last=False))


def allowed_by_rules(filters: Filters, catalog: Catalog) -> Mask | None:
    """True for the items that satisfy every rule, (N,), None where all do; who has seen what is no rule."""
    mask_N: Mask | None = None
    for rule_N in _rules(filters, catalog):
        mask_N = rule_N if mask_N is None else mask_N & rule_N
    return None if mask_N is None or mask_N.all() else mask_N


def _rules(filters: Filters, catalog: Catalog) -> Iterator[Mask]:
    """One mask after the other, so that many rules take no more memory than a few."""
    if filters.only_available:
        yield catalog.available
    if filters.allow_ids is not None:
        yield _mask_of(filters.allow_ids, catalog)
    if filters.deny_ids:
        yield ~_mask_of(filters.deny_ids, catalog)
    if filters.categories_any:
        any_N = np.zeros(catalog.num_items, dtype=np.bool_)
        for name in filters.categories_any:
            any_N |= catalog.category_mask(name)
        yield any_N
    for name in filters.categories_all:
        yield catalog.category_mask(name)
    for name in filters.categories_none:
        yield ~catalog.category_mask(name)
    for bounds in filters.ranges:
        yield _in_range(bounds, catalog)


def _mask_of(item_ids: Sequence[str], catalog: Catalog) -> Mask:
    mask_N = np.zeros(catalog.num_items, dtype=np.bool_)
    rows = catalog.rows(item_ids)
    mask_N[rows[rows != PADDING]] = True
    return mask_N


def _in_range(bounds: NumericRange, catalog: Catalog) -> Mask:
    """NaN, an item without the attribute, lies in no range."""
    values_N = catalog.numeric(bounds.attribute)
    inside: Mask = (values_N >= bounds.minimum) & (values_N <= bounds.maximum)
    return inside


def _num_bytes(filters: Filters, mask_N: Mask | None) -> int:
    names = (filters.allow_ids or (), filters.deny_ids, filters.categories_any, filters.categories_all)
    num_names = sum(map(len, (*names, filters.categories_none, filters.ranges)))
    return BYTES_AN_ENTRY + num_names * BYTES_A_NAME + (0 if mask_N is None else mask_N.nbytes)


def _excluded(policy: SeenPolicyName, rows: NDArray[np.int64], types: NDArray[np.uint8]) -> NDArray[np.int64]:
    if policy == "include":
        return rows[:0]
    if policy == "exclude_purchased":
        return rows[np.isin(types, FINAL_TYPES)]
    return rows
