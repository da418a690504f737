"""Turns the exclude, allow and mask arguments of callers into the `Filters` that backends take."""

from typing import Any

import numpy as np

from shortlist_kernels import checks
from shortlist_kernels.arrays import Bits, Filters, Int64, Lookup, PositionLists


def filters(exclude: Any, allow: Any, mask: Any, num_queries: int, num_items: int, lookup: Lookup) -> Filters:
    """`lookup` turns ids into positions, -1 for unknown ones; those are ignored, in `exclude` and in `allow`."""
    return Filters(
        mask_bits=None if mask is None else mask_bits(mask, num_queries, num_items),
        allow=None if allow is None else position_lists("allow", allow, num_queries, num_items, lookup),
        exclude=None if exclude is None else position_lists("exclude", exclude, num_queries, num_items, lookup),
    )


def mask_bits(mask: Any, num_queries: int, num_items: int) -> Bits:
    """Packs bool (N,) or (Q, N), or takes packed uint8 (ceil(N / 8),) or (Q, ceil(N / 8)), as bits of two axes."""
    array = checks.as_array("mask", mask)
    length = num_items if array.dtype == np.bool_ else -(-num_items // 8)
    if array.dtype not in (np.bool_, np.uint8) or array.shape not in ((length,), (num_queries, length)):
        raise ValueError(
            f"mask must be bool of shape ({num_items},) or ({num_queries}, {num_items}), or uint8 with 8 items a byte, "
            f"got {array.dtype} of shape {array.shape}"
        )
    rows = array.reshape(-1, length) if length else array.reshape(1, 0)
    bits = np.packbits(rows, axis=1, bitorder="little") if array.dtype == np.bool_ else rows
    return np.ascontiguousarray(bits, dtype=np.uint8)


def position_lists(name: str, value: Any, num_queries: int, num_items: int, lookup: Lookup) -> PositionLists:
    """A CSR pair (indptr, ids) with a list per query, or one array of ids for all queries, as ascending positions."""
    if isinstance(value, tuple) and len(value) == 2:
        ids = checks.integers(f"{name} ids", value[1], ndim=1)
        indptr = checks.row_pointers(f"{name} indptr", value[0], ids.size, num_queries)
    else:
        ids = checks.integers(name, value, ndim=1)
        indptr = np.array([0, ids.size], np.int64)
    return _ascending(indptr, lookup(ids), num_items)


def row_lookup(num_rows: int) -> Lookup:
    """The lookup of a space whose ids are the positions 0 to num_rows - 1 themselves."""
    return lambda ids: np.where((ids >= 0) & (ids < num_rows), ids, -1)


def _ascending(indptr: Int64, positions: Int64, num_items: int) -> PositionLists:
    """Each list in order, without repeated and unknown (-1) positions."""
    if indptr.size == 2 and positions.size and positions[0] >= 0 and (positions[1:] > positions[:-1]).all():
        return PositionLists(indptr, positions)
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr)) if indptr.size > 2 else np.int64(0)
    keys = (positions + rows * num_items)[positions >= 0]  # one number per entry: sorting those is fast
    if not (keys[1:] > keys[:-1]).all():
        keys.sort()
        keys = keys[np.concatenate([np.ones(1, np.bool_), keys[1:] != keys[:-1]])]
    starts = np.arange(indptr.size) * num_items
    bounds = np.searchsorted(keys, starts).astype(np.int64)
    return PositionLists(bounds, keys % num_items if indptr.size > 2 else keys)
