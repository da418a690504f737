"""Catalog: what the columns of a package say of its items."""

from __future__ import annotations

import numpy as np

from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.package import Package
from tests.server.conftest import NUM_ITEMS


def catalog_of(package: Package) -> Catalog:
    return package.catalog


def test_ids_lead_to_rows_and_back(package: Package) -> None:
    catalog = catalog_of(package)
    assert catalog.rows(["item-059", "nobody", "", "item-000"]).tolist() == [59, -1, -1, 0]
    assert catalog.item_ids.take([7, 3]) == ["item-007", "item-003"]
    assert catalog.titles[3] == "Title of item-003"


def test_an_attribute_is_a_column_with_nan_where_it_is_unknown(package: Package) -> None:
    prices = catalog_of(package).numeric("price")
    assert prices[0] == 1.0
    assert np.flatnonzero(np.isnan(prices)).tolist() == [3, 20, 37, 54]
    assert not prices.flags.writeable


def test_a_category_is_a_mask_and_the_categories_of_items_are_pairs(package: Package) -> None:
    catalog = catalog_of(package)
    rows = np.arange(NUM_ITEMS)
    assert catalog.category_mask("c1").tolist() == ((rows % 4 == 1) & (rows % 10 != 0)).tolist()
    assert not catalog.category_mask("nobody has it").any()
    places, numbers = catalog.categories(np.array([10, 5, 2]))
    names = [catalog.category_names[number] for number in numbers]
    assert list(zip(places.tolist(), names, strict=True)) == [(1, "all"), (1, "c1"), (2, "all"), (2, "c2")]


def test_availability_is_known_as_a_whole(package: Package) -> None:
    catalog = catalog_of(package)
    assert not catalog.all_available
    assert np.flatnonzero(~catalog.available).tolist() == [5, 18, 31, 44, 57]
