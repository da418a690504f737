"""The items of a package as columns. N items; a row is an item's position, and row order is item id order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shortlist_server.catalog.manifest import ITEMS_FILE
from shortlist_server.config import MAX_ID_BYTES
from shortlist_server.errors import PackageError

NO_ROW: Final = -1
_MOST_POPULAR: Final = float(np.finfo(np.float32).max)
_NOT_NUMERIC: Final = frozenset({"item_id", "title", "categories", "available"})
_COLUMNS: Final[dict[str, pl.DataType]] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "price": pl.Float64(),
    "categories": pl.List(pl.String()),
    "available": pl.Boolean(),
    "popularity": pl.Float64(),
}


class Catalog:
    """Columns of all items, read-only, made by `read_items`; every array is indexed by row.

    `item_ids` and `titles` are object arrays of str; `prices` float64 with NaN where unknown.
    """

    def __init__(self, table: pl.DataFrame) -> None:
        self.num_items = table.height
        self.item_ids = _strings(table["item_id"])
        self.titles = _strings(table["title"])
        self._numeric = {name: _numbers(table[name]) for name in table.columns if name not in _NOT_NUMERIC}
        self.prices = self._numeric["price"]
        self.popularity: NDArray[np.float32] = self._numeric["popularity"].astype(np.float32)
        self.popularity.setflags(write=False)
        self.available: NDArray[np.bool_] = table["available"].to_numpy().astype(np.bool_)
        self.available.setflags(write=False)
        self._row_of: dict[str, int] = {item_id: row for row, item_id in enumerate(self.item_ids.tolist())}
        self._category_rows = _category_rows(table["categories"])
        self._categories = _by_item(list(self._category_rows.values()), table.height)

    def rows(self, item_ids: Sequence[str]) -> NDArray[np.int32]:
        """The row of each id, -1 for an unknown one."""
        row_of = self._row_of
        return np.fromiter((row_of.get(item_id, NO_ROW) for item_id in item_ids), np.int32, len(item_ids))

    def numeric(self, name: str) -> NDArray[np.float64]:
        """The numeric attribute of every item, NaN where unknown ("price", "popularity" and each further column of
        items.parquet); KeyError when the package has no such attribute.
        """
        return self._numeric[name]

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """The names that `numeric` knows."""
        return tuple(self._numeric)

    def category_mask(self, name: str) -> NDArray[np.bool_]:
        """True for the items of this category; all False for a category that nobody has. The caller owns the array."""
        mask = np.zeros(self.num_items, dtype=np.bool_)
        rows = self._category_rows.get(name)
        if rows is not None:
            mask[rows] = True
        return mask

    def categories(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of these items is in which category: places in `rows`, ascending, and places in `category_names`."""
        indptr, numbers = self._categories
        counts = indptr[rows + 1] - indptr[rows]
        starts = np.repeat(indptr[rows] - np.cumsum(counts) + counts, counts)
        return np.repeat(np.arange(len(rows)), counts), numbers[starts + np.arange(counts.sum())]

    @property
    def category_names(self) -> tuple[str, ...]:
        """Every category, in the order of its name."""
        return tuple(self._category_rows)


def read_items(path: Path) -> Catalog:
    """The catalogue in this items.parquet; PackageError names the column (and the first bad row) that does not fit."""
    try:
        table = pl.read_parquet(path, use_statistics=False, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise PackageError(ITEMS_FILE, f"not a readable parquet file: {error}") from None
    _check_columns(table)
    _check_values(table)
    _check_ids(table["item_id"])
    return Catalog(table)


def _check_columns(table: pl.DataFrame) -> None:
    for name, wanted in _COLUMNS.items():
        found = table.schema.get(name)
        if found != wanted:
            raise PackageError(ITEMS_FILE, f"column {name!r} is {found or 'missing'}, wanted {wanted}")
    for name, found in table.schema.items():
        if name not in _COLUMNS and not (found.is_numeric() or found == pl.Boolean()):
            raise PackageError(ITEMS_FILE, f"column {name!r} is {found}; further columns are numeric attributes")
    if table.height == 0:
        raise PackageError(ITEMS_FILE, "no items")


def _check_values(table: pl.DataFrame) -> None:
    for name in _COLUMNS:
        if name != "price" and table[name].null_count():
            raise PackageError(ITEMS_FILE, f"column {name!r}, row {_first(table[name].is_null())}: null")
    if table["categories"].list.eval(pl.element().is_null()).list.any().any():
        raise PackageError(ITEMS_FILE, "column 'categories': a null inside a list")
    for name in ("price", "popularity"):
        column = table[name]
        broken = ~column.is_finite().fill_null(True)
        if name == "popularity":
            broken |= (column < 0) | (column > _MOST_POPULAR)
        if broken.any():
            row = _first(broken)
            raise PackageError(ITEMS_FILE, f"column {name!r}, row {row}: {column[row]}")


def _check_ids(ids: pl.Series) -> None:
    lengths = ids.str.len_bytes()
    out_of_range = (lengths < 1) | (lengths > MAX_ID_BYTES)
    if out_of_range.any():
        row = _first(out_of_range)
        raise PackageError(ITEMS_FILE, f"item_id, row {row}: {lengths[row]} bytes, wanted 1 to {MAX_ID_BYTES}")
    # Polars compares strings as UTF-8 bytes, which is the order that rows promise.
    unordered = ids.slice(1) <= ids.slice(0, len(ids) - 1)
    if unordered.any():
        row = _first(unordered) + 1
        fault = "appears twice" if ids[row] == ids[row - 1] else f"comes after {ids[row - 1]!r}"
        raise PackageError(ITEMS_FILE, f"item_id, row {row}: {ids[row]!r} {fault}; items are sorted by id")


def _first(flags: pl.Series) -> int:
    row = flags.arg_max()
    assert row is not None
    return row


def _strings(column: pl.Series) -> NDArray[np.object_]:
    strings = np.empty(len(column), dtype=np.object_)
    strings[:] = column.to_list()
    strings.setflags(write=False)
    return strings


def _numbers(column: pl.Series) -> NDArray[np.float64]:
    numbers = column.cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)
    numbers.setflags(write=False)
    return numbers


def _category_rows(categories: pl.Series) -> dict[str, NDArray[np.int32]]:
    table = pl.DataFrame({"category": categories, "row": pl.arange(0, len(categories), dtype=pl.Int32, eager=True)})
    grouped = (
        table.explode("category")
        .drop_nulls()
        .unique()
        .sort("row")
        .group_by("category", maintain_order=True)
        .agg("row")
        .sort("category")
    )
    return {category: np.array(rows, dtype=np.int32) for category, rows in grouped.iter_rows()}


def _by_item(rows_by_category: list[NDArray[np.int32]], num_items: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(indptr, numbers): those of item i lie from indptr[i] to indptr[i + 1], ascending."""
    rows = np.concatenate([np.empty(0, dtype=np.int32), *rows_by_category])
    numbers = np.repeat(np.arange(len(rows_by_category)), [len(rows) for rows in rows_by_category])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=num_items))])
    return indptr, numbers[np.argsort(rows, kind="stable")]
