"""Recipes by name and by path, the shape that they are made for, what a plan refuses, and what gates refuse."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shortlist_training.data.dataset import build_dataset
from shortlist_training.data.reader import read_directory
from shortlist_training.errors import InputError
from shortlist_training.evaluation.evaluate import evaluate
from shortlist_training.models import FAMILIES, find_family
from shortlist_training.open_package import Package, open_package
from shortlist_training.plan import make_plan
from shortlist_training.protocols import find_protocol
from shortlist_training.recipes import Part, Recipe, Shape, find_recipe, hybrid, shape_of
from tests.training.data_sets import dataset_of
from tests.training.models.next_item import recipe as next_item
from tests.training.runner import run_in_process
from tests.training.shop import shop_events, write_events

SHAPE = Shape(
    num_users=10,
    num_items=20,
    num_events=100,
    mean_length=10.0,
    span_days=80.0,
    has_values=False,
    has_text=True,
    has_image=False,
)
NEXT_ITEM = "tests.training.models.next_item:recipe"


def test_a_recipe_is_found_by_name_or_by_path() -> None:
    assert find_recipe("hybrid") is hybrid
    assert find_recipe(NEXT_ITEM) is next_item
    with pytest.raises(InputError, match="recipe 'magic' is unknown; there are: hybrid, or MODULE:FUNCTION"):
        find_recipe("magic")
    for path in ("nowhere.to.be.found:recipe", "tests.training.models.next_item:missing"):
        with pytest.raises(InputError, match=f"recipe '{path}': "):
            find_recipe(path)


def test_a_family_is_found_by_name_or_by_the_path_of_its_module() -> None:
    assert {find_family(name).name for name in FAMILIES} == set(FAMILIES)
    assert find_family("tests.training.models.next_item").name == "next_item"
    with pytest.raises(InputError, match="family 'magic' is unknown; there are: popular"):
        find_family("magic")
    with pytest.raises(InputError, match=r"family 'tests\.training\.shop': "):
        find_family("tests.training.shop")


def test_the_shape_is_measured_on_the_data() -> None:
    dataset = dataset_of([("u", "a", 0), ("u", "b", 86_400), ("v", "a", 2 * 86_400 - 1)])
    shape = shape_of(dataset)
    assert (shape.num_users, shape.num_items, shape.num_events, shape.mean_length) == (2, 2, 3, 1.5)
    assert shape.span_days == 2
    assert shape.has == {"time"}
    rated = replace(dataset, values=np.array([np.nan, 4.0, np.nan], dtype=np.float32))
    assert shape_of(rated).has == {"time", "values"}


def test_lengths_of_time_follow_the_time_span_and_texts_are_compared_where_there_are_some() -> None:
    short, long = hybrid(SHAPE), hybrid(replace(SHAPE, span_days=800.0, has_text=False))
    assert short.ranker is not None
    assert long.ranker is not None
    assert short.ranker.settings.spaces == ("two_tower", "two_tower.text")
    assert long.ranker.settings.spaces == ("two_tower",)
    rates = [recipe.ranker.settings.rate_half_lives_days for recipe in (short, long) if recipe.ranker]
    assert np.array(rates[1]) / np.array(rates[0]) == pytest.approx([10, 10, 10])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": ()}, "it must have sources"),
        ({"sources": (Part(name="a", family="popular", settings=None),) * 2}, "every part a name of its own"),
        ({"fallback": "missing"}, r"the fallback 'missing' is none of \['next', 'smooth'\]"),
        ({"protocol": "best"}, "protocol 'best' is unknown"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused_before_anything_is_computed(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    def broken(shape: Shape) -> Recipe:
        return replace(next_item(shape), **changes)  # type: ignore[arg-type]

    with pytest.raises(InputError, match=message):
        make_plan(
            dataset_of(shop_events()),
            broken,
            tmp_path / "out",
            seed=0,
            log_dir=tmp_path / "logs",
            resume=False,
            all_data=False,
        )


def test_a_family_that_needs_what_the_data_lacks_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.training.models.next_item.FAMILY.needs", frozenset({"time", "image"}))
    with pytest.raises(InputError, match=r"rows: next \(tests\.training\.models\.next_item\) needs image"):
        make_plan(
            dataset_of(shop_events()),
            next_item,
            tmp_path / "out",
            seed=0,
            log_dir=tmp_path / "logs",
            resume=False,
            all_data=False,
        )


@pytest.fixture(scope="module")
def odd_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop with titles and attributes as real shops have them."""
    directory = tmp_path_factory.mktemp("odd-shop")
    write_events(directory, shop_events(num_users=120))
    with (directory / "items.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("item_id", "title", "categories", "price", "Größe (cm) / ☃"))
        for number, item in enumerate(sorted({item for _, item, _ in shop_events()})):
            title = ("a\tb\x7f", "é" * 600, "", "plain")[number % 4]
            writer.writerow((item, title, f"home|{'long ' * 40}|\x07", "" if number % 3 else number, number / 2))
    return directory


def train(data: Path, out: Path, recipe: str = NEXT_ITEM) -> Package:
    finished = run_in_process("train", "--recipe", recipe, "--data", str(data), "--out", str(out))
    assert finished.exit_code == 0, finished.output
    return open_package(out)


def test_odd_titles_categories_and_attributes_are_packed(odd_shop: Path, tmp_path: Path) -> None:
    package = train(odd_shop, tmp_path / "package")
    assert list(package.manifest.items.numeric) == ["price", "Größe (cm) / ☃"]
    assert package.manifest.data.licence == "unstated"


@pytest.mark.parametrize(
    ("recipe", "gate"), [("worst_first", "not worse than the best part"), ("uncalibrated", "calibration")]
)
def test_a_package_that_a_gate_refuses_is_not_published(odd_shop: Path, tmp_path: Path, recipe: str, gate: str) -> None:
    recipe_path = f"tests.training.bad_rankers:{recipe}"
    out = str(tmp_path / "package")
    finished = run_in_process("train", "--recipe", recipe_path, "--data", str(odd_shop), "--out", out)
    assert finished.exit_code == 1, finished.output
    (line,) = [line for line in finished.stderr.splitlines() if line.startswith("refused: ")]
    assert line.startswith(f"refused: gate {gate}: ")
    assert line.endswith("nothing was published")
    assert [path.name for path in tmp_path.iterdir()] == ["package.training"]


def test_other_item_ids_change_no_metric(tmp_path: Path) -> None:
    """Ties are many here: counts of few events, and sums over few neighbours."""
    events = shop_events(num_users=120)
    items = sorted({item for _, item, _ in events})
    shuffled = np.random.default_rng(3).permutation(items).tolist()
    new = dict(zip(items, shuffled, strict=True))
    results = []
    for name, renamed in (("plain", events), ("renamed", [(user, new[item], time) for user, item, time in events])):
        data = write_events(tmp_path / name, renamed)
        package = train(data, tmp_path / f"{name}-package")
        dataset = build_dataset(read_directory(data))
        report = evaluate(package, dataset, find_protocol("global_time"), cutoff=10, seed=0)
        results.append(report.results)
    assert results[0].keys() == results[1].keys()
    for scorer, metrics in results[0].items():
        for metric, value in metrics.items():
            assert results[1][scorer][metric] == pytest.approx(value, abs=1e-9), f"{scorer} {metric}"


def test_everything_that_was_chosen_says_by_what(odd_shop: Path, tmp_path: Path) -> None:
    package = train(odd_shop, tmp_path / "package")
    smooth = package.manifest.sources[1]
    chosen = smooth.training["chosen"]
    assert chosen["smoothing"] in (5.0, 20.0)  # type: ignore[index, operator]
    assert chosen["by"] == "ndcg@10 on before-3, before-2, before-1, validation"  # type: ignore[index]
    weight = smooth.training["weight"]
    assert math.isclose(weight["value"], smooth.weight)  # type: ignore[index, arg-type]
    (judged,) = package.manifest.evaluations
    assert (judged.split, judged.fields["cutoff"]) == ("calibration", 10)
    assert {result.scorer for result in judged.results} == {"next", "smooth", "fused", "funnel"}
