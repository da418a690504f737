"""What every family of sources promises, over all of FAMILIES and one that exists only in the tests.

B queries, N items.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from rich.console import Console

import shortlist_training
from shortlist.package.layout import GOLDEN
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.v1.recommendation_pb2 import FUSION_METHOD_WEIGHTED, Fusion
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import histories_of
from shortlist_training.data.queries import Queries, Split, queries_of
from shortlist_training.models import FAMILIES, find_family
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Model, Run
from shortlist_training.models.two_tower.settings import TwoTowerSettings
from shortlist_training.open_package import open_draft, open_funnel
from shortlist_training.protocols import find_protocol
from shortlist_training.protocols.protocol import Limits
from tests.training.data_sets import dataset_of
from tests.training.models.next_item import NextItemSettings
from tests.training.shop import ITEMS_PER_KIND, KINDS, shop_events

SMALL: dict[str, Any] = {
    "two_tower": TwoTowerSettings(max_history=8, dim=16, hidden=16, max_epochs=2, refit_epochs=1, patience=1),
    "tests.training.models.next_item": NextItemSettings(),
}
RANKERS = ("ranker",)
SOURCES = [*(name for name in FAMILIES if name not in RANKERS), "tests.training.models.next_item"]
TITLES = {f"{kind.split()[-1]}-{number:02d}": kind for kind in KINDS for number in range(ITEMS_PER_KIND)}


def shop(*, titles: bool = True, ids: dict[str, str] | None = None) -> Dataset:
    """The small shop; `ids` renames items. Two items have no event."""
    rename = ids or {}
    dataset = dataset_of([(user, rename.get(item, item), time) for user, item, time in shop_events()])
    titled = {rename.get(item, item): title for item, title in TITLES.items()} if titles else {}
    column = [titled.get(item, "") for item in dataset.items["item_id"]]
    return replace(dataset, items=dataset.items.with_columns(pl.Series("title", column, dtype=pl.String)))


def split_of(dataset: Dataset) -> Split:
    limits = Limits(validation_users=1000, stacking_users=1000, seed=0)
    return find_protocol("global_time").training(dataset, limits, all_data=False).validation


def run_in(directory: Path, **changes: Any) -> Run:
    fields: dict[str, Any] = {"name": "part", "stage": "test", "seed": 3, "resume": False}
    return Run(log_dir=directory, console=Console(file=io.StringIO()), **(fields | changes))


def fit(family: str, train: Dataset, directory: Path, validation: Split | None = None, **changes: Any) -> Model:
    settings = SMALL.get(family, find_family(family).settings())
    model: Model = find_family(family).fit(train, settings, run_in(directory, **changes), validation)
    return model


def everybody(dataset: Dataset) -> Queries:
    return queries_of(dataset, np.arange(dataset.num_users))


def scores_of(model: Model, queries: Queries) -> NDArray[np.float32]:
    return model.score(queries)


@pytest.mark.parametrize("family", SOURCES)
def test_the_same_seed_gives_the_same_bits_and_a_finished_run_is_taken_up_with_them(
    family: str, tmp_path: Path
) -> None:
    dataset = shop()
    split = split_of(dataset)
    first = fit(family, split.train, tmp_path / "one", split)
    again = fit(family, split.train, tmp_path / "two", split)
    resumed = fit(family, split.train, tmp_path / "one", split, resume=True)
    expected = scores_of(first, split.task.queries).tobytes()
    assert scores_of(again, split.task.queries).tobytes() == expected
    assert scores_of(resumed, split.task.queries).tobytes() == expected


@pytest.mark.parametrize("family", SOURCES)
def test_what_happens_after_the_cut_moves_nothing(family: str, tmp_path: Path) -> None:
    dataset = shop()
    cut = int(np.quantile(dataset.timestamps, 0.7))
    late = dataset.timestamps >= cut
    corrupted = replace(
        dataset,
        rows=np.where(late, 0, dataset.rows).astype(np.int32),
        users=np.where(late, 1, dataset.users).astype(np.int32),
        values=np.where(late, np.float32(99), dataset.values),
    )
    one, other = (fit(family, data.before(cut), tmp_path / name) for data, name in ((dataset, "a"), (corrupted, "b")))
    queries = everybody(dataset.before(cut))
    assert scores_of(one, queries).tobytes() == scores_of(other, queries).tobytes()


@pytest.mark.parametrize("family", SOURCES)
def test_a_permutation_of_the_ids_moves_nothing_but_names(family: str, tmp_path: Path) -> None:
    names = sorted(TITLES)
    shuffled = dict(zip(names, np.random.default_rng(7).permutation(names).tolist(), strict=True))
    plain, renamed = shop(), shop(ids=shuffled)
    new_row = {item: row for row, item in enumerate(renamed.items["item_id"].to_list())}
    order = [new_row[shuffled[item]] for item in plain.items["item_id"].to_list()]
    one = fit(family, plain, tmp_path / "a")
    other = fit(family, renamed, tmp_path / "b")
    expected, found = scores_of(one, everybody(plain)), scores_of(other, everybody(renamed))[:, order]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", SOURCES)
def test_the_score_of_listed_items_is_that_of_the_list(family: str, tmp_path: Path) -> None:
    dataset = shop()
    model, queries = fit(family, dataset, tmp_path), everybody(dataset)
    allowed_N = np.arange(dataset.num_items) % 5 != 2
    scores_BK, rows_BK = model.source.retrieve(queries, 10, allowed_N)
    listed_BK = rows_BK >= 0
    np.testing.assert_array_equal(model.score(queries, rows_BK)[listed_BK], scores_BK[listed_BK])
    whole = model.score(queries)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(
        np.take_along_axis(whole, np.maximum(rows_BK, 0), 1)[listed_BK], scores_BK[listed_BK], rtol=1e-6
    )
    for user in range(len(queries)):
        rows = rows_BK[user][listed_BK[user]]
        assert allowed_N[rows].all()
        assert not np.isin(rows, queries.seen.of(user)).any()


@pytest.mark.parametrize("family", SOURCES)
def test_histories_of_any_length_and_items_without_events_or_titles_are_answered(family: str, tmp_path: Path) -> None:
    dataset = shop(titles=False)
    known = dataset.only(dataset.rows % 7 != 3, dataset.as_of)
    assert not known.known_N.all()
    model = fit(family, known, tmp_path)
    lengths = histories_of(known).lengths()
    one_item = known.only(
        np.isin(np.arange(known.num_events), np.unique(known.users, return_index=True)[1]), known.as_of
    )
    nobody = known.only(np.zeros(known.num_events, np.bool_), known.as_of)
    for queries in (everybody(known), everybody(one_item), everybody(nobody)):
        assert np.isfinite(model.score(queries)).all()
        _, rows_BK = model.source.retrieve(queries, 5, np.ones(dataset.num_items, np.bool_))
        assert (rows_BK < dataset.num_items).all()
    assert lengths.max() > SMALL["two_tower"].max_history
    _, rows_BK = model.source.retrieve(everybody(nobody), 5, np.ones(dataset.num_items, np.bool_))
    assert (rows_BK >= 0).any() == (not model.source.needs_history)


@pytest.mark.parametrize("family", SOURCES)
def test_the_exported_files_answer_as_the_model_does(family: str, tmp_path: Path) -> None:
    dataset = shop()
    model, queries = fit(family, dataset, tmp_path / "logs"), everybody(dataset)
    with ModelDraft(tmp_path / "package", queries, lambda text: None) as draft:
        source = model.export(draft)
        entry = manifest.Manifest(
            name="one",
            id="one",
            data=manifest.TrainingData(),
            training=manifest.Training(),
            items=draft.add_items(dataset.items["item_id"].to_list(), numeric=draft.numeric),
            spaces=draft.spaces,
            sources=[source],
            fusion=Fusion(method=FUSION_METHOD_WEIGHTED),
            num_candidates=10,
        )
        entry.created.GetCurrentTime()
        draft.add(GOLDEN, "golden", lambda file: file.write_text("{}"))
        draft.finish(entry)
        there = open_funnel(open_draft(draft.path, entry)).sources["part"]
        everything = np.ones(dataset.num_items, np.bool_)
        expected_BK, rows_BK = model.source.retrieve(queries, 10, everything)
        found_BK, found_rows_BK = there.retrieve(queries, 10, everything)
        assert (rows_BK == found_rows_BK).all(axis=1).mean() >= 0.999
        np.testing.assert_allclose(there.score(queries, rows_BK), model.score(queries, rows_BK), atol=1e-4)
        assert (found_BK[:, 0] == found_BK.max(axis=1)).all()
        assert expected_BK.shape == found_BK.shape


@pytest.mark.parametrize("family", [*SOURCES, *RANKERS])
def test_settings_are_frozen_with_every_default_visible(family: str) -> None:
    made = find_family(family).settings()
    assert dataclasses.is_dataclass(made)
    for field in dataclasses.fields(made):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, None)
    assert find_family(family).needs <= {"time", "values", "text", "image"}


@pytest.mark.parametrize("family", SOURCES)
def test_a_model_describes_every_setting(family: str, tmp_path: Path) -> None:
    described = fit(family, shop(), tmp_path).describe()["settings"]
    assert isinstance(described, dict)
    assert described.keys() == {field.name for field in dataclasses.fields(find_family(family).settings)}


def test_nothing_but_the_recipe_and_the_registry_knows_a_family_by_name() -> None:
    root = Path(shortlist_training.__file__).parent
    for file in root.rglob("*.py"):
        relative = file.relative_to(root).as_posix()
        if relative.startswith("models/") or relative == "recipes.py":
            continue
        text = file.read_text("utf-8")
        for name in ("two_tower", "item_neighbours", "models.popular", "models.ranker"):
            assert name not in text, f"{relative} names {name}"
