"""The catalogue: ids and rows, attributes, categories, and items that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from shortlist_server.catalog.items import Catalog, read_items
from shortlist_server.errors import PackageError


def items(**changes: pl.Series) -> pl.DataFrame:
    table = pl.DataFrame(
        {
            "item_id": ["a", "b", "é"],
            "title": ["A", "B", "E"],
            "price": [1.5, None, -2.0],
            "categories": [["x", "y"], [], ["y", "y"]],
            "available": [True, False, True],
            "popularity": [0.1, 0.0, 7.0],
            "weight_grams": pl.Series([10, None, 30], dtype=pl.Int16),
        },
        schema_overrides={"categories": pl.List(pl.String)},
    )
    return table.with_columns(**changes)


def written(table: pl.DataFrame, folder: Path) -> Path:
    table.write_parquet(folder / "items.parquet")
    return folder / "items.parquet"


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return read_items(written(items(), tmp_path))


def test_rows_of_ids_and_minus_one_for_unknown_ones(catalog: Catalog) -> None:
    rows = catalog.rows(["é", "nobody", "a"])
    assert rows.dtype == np.int32
    assert rows.tolist() == [2, -1, 0]
    assert catalog.rows([]).shape == (0,)
    assert catalog.item_ids[[0, 2]].tolist() == ["a", "é"]


def test_numeric_attributes_have_nan_where_unknown(catalog: Catalog) -> None:
    np.testing.assert_array_equal(catalog.prices, [1.5, np.nan, -2.0])
    np.testing.assert_array_equal(catalog.numeric("weight_grams"), [10, np.nan, 30])
    assert set(catalog.numeric_names) == {"price", "popularity", "weight_grams"}
    assert catalog.popularity.dtype == np.float32
    with pytest.raises(KeyError):
        catalog.numeric("title")


def test_category_masks(catalog: Catalog) -> None:
    assert catalog.category_mask("y").tolist() == [True, False, True]
    assert catalog.category_mask("x").tolist() == [True, False, False]
    assert catalog.category_mask("none").tolist() == [False, False, False]
    assert catalog.category_names == ("x", "y")


def test_the_categories_of_items_are_those_of_the_masks(catalog: Catalog) -> None:
    rows = np.arange(catalog.num_items)[::-1]
    places, numbers = catalog.categories(rows)
    assert places.tolist() == sorted(places)
    for place, row in enumerate(rows.tolist()):
        found = [catalog.category_names[number] for number in numbers[places == place]]
        assert found == [name for name in catalog.category_names if catalog.category_mask(name)[row]]
    assert catalog.categories(rows[:0])[0].shape == (0,)


def test_columns_cannot_be_changed(catalog: Catalog) -> None:
    for column in (catalog.item_ids, catalog.prices, catalog.popularity, catalog.available, catalog.titles):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = column[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item_id": pl.Series(["a", "c", "b"])}, "item_id, row 2: 'b' comes after 'c'; items are sorted by id"),
        ({"item_id": pl.Series(["a", "b", "b"])}, "item_id, row 2: 'b' appears twice; items are sorted by id"),
        ({"item_id": pl.Series(["", "b", "c"])}, "item_id, row 0: 0 bytes, wanted 1 to 128"),
        ({"item_id": pl.Series(["a", "b", "é" * 65])}, "item_id, row 2: 130 bytes, wanted 1 to 128"),
        ({"item_id": pl.Series([1, 2, 3])}, "column 'item_id' is Int64, wanted String"),
        ({"title": pl.Series(["A", None, "E"])}, "column 'title', row 1: null"),
        ({"price": pl.Series([1.0, None, float("inf")])}, "column 'price', row 2: inf"),
        ({"popularity": pl.Series([1.0, -0.5, 1.0])}, "column 'popularity', row 1: -0.5"),
        ({"popularity": pl.Series([float("nan"), 0.5, 1.0])}, "column 'popularity', row 0: nan"),
        ({"popularity": pl.Series([1.0, 0.5, 1e39])}, "column 'popularity', row 2: 1e+39"),
        ({"categories": pl.Series([["x"], [None], []])}, "column 'categories': a null inside a list"),
        ({"categories": pl.Series(["x", "y", "z"])}, "column 'categories' is String, wanted List(String)"),
        ({"colour": pl.Series(["red", "red", "red"])}, "column 'colour' is String; further columns are numeric"),
    ],
)
def test_items_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, pl.Series], message: str) -> None:
    file = written(items(**changes), tmp_path)
    with pytest.raises(PackageError) as refusal:
        read_items(file)
    assert str(refusal.value).startswith(f"items.parquet: {message}")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="column 'available' is missing, wanted Boolean"):
        read_items(written(items().drop("available"), tmp_path))


def test_no_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no items"):
        read_items(written(items().clear(), tmp_path))


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "items.parquet").write_bytes(b"PAR1 or so")
    with pytest.raises(PackageError, match=r"^items.parquet: not a readable parquet file") as refusal:
        read_items(tmp_path / "items.parquet")
    assert "\n" not in str(refusal.value)


def test_damage_inside_a_parquet_file_is_refused(tmp_path: Path) -> None:
    items().write_parquet(tmp_path / "items.parquet", compression="uncompressed")
    damaged = bytearray((tmp_path / "items.parquet").read_bytes())
    damaged[37] = 0  # the length of the first page, which Polars takes on trust
    (tmp_path / "items.parquet").write_bytes(damaged)
    with pytest.raises(PackageError, match=r"^items\.parquet: "):
        read_items(tmp_path / "items.parquet")
