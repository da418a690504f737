"""The items of a package as columns, mapped from its files. N items; a row is an item's place in the order of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.package import layout
from shortlist.package.arrays import Sparse, check_numbers, open_array, open_sparse
from shortlist.package.errors import PackageError
from shortlist.package.strings import KeyColumn, TextColumn, open_keys, open_text
from shortlist.v1.manifest_pb2 import Items
from shortlist.vocabulary import MAX_ID_BYTES, MAX_TITLE_BYTES

MAX_ATTRIBUTE = float(np.finfo(np.float64).max)  # an attribute is compared, never summed: any finite number will do
MAX_CATEGORIES = 1 << 20  # far more than anybody names, few enough that their names fit into memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Columns of all items, read-only. `categories` are compressed rows, items x categories, without data."""

    num_items: int
    item_ids: KeyColumn
    titles: TextColumn
    available: NDArray[np.bool_]
    all_available: bool
    category_names: tuple[str, ...]
    categories_of_items: Sparse
    attributes: Mapping[str, NDArray[np.float64]]

    def rows(self, item_ids: Sequence[str]) -> NDArray[np.int32]:
        """The row of each id, -1 for an unknown one."""
        return self.item_ids.rows(item_ids)

    def numeric(self, name: str) -> NDArray[np.float64]:
        """The numeric attribute of every item, NaN where unknown; KeyError when the package has none of that name."""
        return self.attributes[name]

    def category_mask(self, name: str) -> NDArray[np.bool_]:
        """True for the items of this category; all False for a category that nobody has. The caller owns the array."""
        mask = np.zeros(self.num_items, dtype=np.bool_)
        if name in self.category_names:
            entries = np.flatnonzero(self.categories_of_items.indices == self.category_names.index(name))
            mask[np.searchsorted(self.categories_of_items.indptr, entries, "right") - 1] = True
        return mask

    def categories(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of these items is in which category: places in `rows`, ascending, and places in `category_names`."""
        indptr, indices, _ = self.categories_of_items
        counts = indptr[rows + 1] - indptr[rows]
        starts = np.repeat(indptr[rows] - np.cumsum(counts) + counts, counts)
        return np.repeat(np.arange(len(rows)), counts), indices[starts + np.arange(counts.sum())].astype(np.int64)


def open_items(root: Path, entry: Items) -> Catalog:
    """The catalogue of a package; PackageError names the file, and the first bad row, that does not fit."""
    num_items, num_attributes = entry.num_items, len(entry.numeric)
    numeric = open_array(root, layout.NUMERIC, np.float64, (num_attributes, num_items))
    check_numbers(root, layout.NUMERIC, numeric, MAX_ATTRIBUTE, nan=True)
    names = open_keys(root, layout.CATEGORY_NAMES, None, max_bytes=MAX_ID_BYTES)
    if len(names) > MAX_CATEGORIES:
        raise PackageError(layout.CATEGORY_NAMES, f"{len(names)} categories, more than {MAX_CATEGORIES}")
    available = open_array(root, layout.AVAILABLE, np.bool_, (num_items,))
    return Catalog(
        num_items=num_items,
        item_ids=open_keys(root, layout.ITEM_IDS, num_items, max_bytes=MAX_ID_BYTES),
        titles=open_text(root, layout.TITLES, num_items, max_bytes=MAX_TITLE_BYTES),
        available=available,
        all_available=bool(available.all()),
        category_names=tuple(names.take(range(len(names)))),
        categories_of_items=open_sparse(root, layout.CATEGORIES, num_items, len(names), with_data=False),
        attributes=dict(zip(entry.numeric, numeric, strict=True)),
    )
