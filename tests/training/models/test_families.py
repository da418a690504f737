"""What single families compute, by hand: popularity, item neighbours, and what the towers learn from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from shortlist_training.data.dataset import Dataset
from shortlist_training.data.queries import Split, queries_of, task_of
from shortlist_training.errors import InputError
from shortlist_training.grids import choose_settings
from shortlist_training.models.family import Run
from shortlist_training.models.item_neighbours.model import ItemNeighbours
from shortlist_training.models.item_neighbours.model import fit as fit_neighbours
from shortlist_training.models.item_neighbours.settings import ItemNeighboursSettings
from shortlist_training.models.popular.model import fit as fit_popular
from shortlist_training.models.popular.settings import PopularSettings
from shortlist_training.models.two_tower.batches import build_examples
from shortlist_training.models.two_tower.text import text_table
from shortlist_training.recipes import Part
from tests.training.data_sets import dataset_of, ids_of

DAY = 86_400
PLAIN = ItemNeighboursSettings(user_exponent=0.0, num_neighbours=10, history_decay=0.5)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    console = Console(file=io.StringIO())
    return Run(name="part", stage="test", seed=0, log_dir=tmp_path, resume=False, console=console, cutoff=1)


def popularity(dataset: Dataset, run: Run, half_life_days: float | None) -> list[float]:
    scores: list[float] = fit_popular(
        dataset, PopularSettings(half_life_days=half_life_days), run
    ).source.scores_N.tolist()
    return scores


def test_an_event_counts_half_per_half_life_of_age_and_a_dislike_not_at_all(run: Run) -> None:
    dataset = dataset_of(
        [
            ("u", "a", 9 * DAY, "view"),
            ("v", "a", 8 * DAY, "view"),
            ("u", "b", 10 * DAY, "view"),
            ("u", "c", 7 * DAY, "dislike"),
        ]
    )
    assert popularity(dataset.before(10 * DAY), run, 1.0) == [0.5 + 0.25, 0.0, 0.0]
    assert popularity(dataset.before(10 * DAY + 1), run, None) == [2.0, 1.0, 0.0]


def test_the_half_life_that_fits_the_window_is_chosen(run: Run) -> None:
    """What sold long ago sells no more: only a short half-life puts the new favourite first."""
    old = [(f"u{n}", "old", (10 + n) * DAY) for n in range(30)]
    new = [(f"v{n}", "new", (950 + n) * DAY) for n in range(10)]
    takers = [(f"w{n}", "other", (100 + n) * DAY) for n in range(5)] + [(f"w{n}", "new", 1005 * DAY) for n in range(5)]
    dataset = dataset_of(old + new + takers)
    past, future = dataset.before(1000 * DAY), dataset.between(1000 * DAY, 1010 * DAY)
    split = Split("validation", past, task_of(past, future))
    assert len(split.task) == 5
    part = Part(name="p", family="popular", settings=PopularSettings(), grid={"half_life_days": (None, 60.0)})
    settings, chosen = choose_settings(part, [split], run)
    assert settings.half_life_days == chosen["half_life_days"] == 60.0


def neighbours(taken: list[tuple[str, str]], run: Run, settings: Any = PLAIN) -> tuple[Dataset, ItemNeighbours]:
    dataset = dataset_of([(user, item, time) for time, (user, item) in enumerate(taken)])
    return dataset, fit_neighbours(dataset, settings, run)


def test_similarities_are_cosines_of_who_took_what(run: Run) -> None:
    # a: u, v, w; b: u, v; c: w; so cos(a, b) = 2 / sqrt(3 x 2), cos(a, c) = 1 / sqrt(3), cos(b, c) = 0.
    taken = [("u", "a"), ("v", "a"), ("w", "a"), ("u", "b"), ("v", "b"), ("w", "c"), ("w", "c")]
    matrix = neighbours(taken, run)[1].source.matrix
    assert matrix.indptr.tolist() == [0, 2, 3, 4]
    assert matrix.indices.tolist() == [1, 2, 0, 0]
    expected = [2 / np.sqrt(6), 1 / np.sqrt(3), 2 / np.sqrt(6), 1 / np.sqrt(3)]
    assert matrix.data == pytest.approx(expected, rel=1e-6)


def test_a_user_who_takes_everything_says_less_about_similarity(run: Run) -> None:
    taken = [*(("all", item) for item in "abcdefgh"), ("u", "a"), ("u", "b")]
    shares = {}
    for exponent in (0.0, 1.0):
        matrix = neighbours(taken, run, ItemNeighboursSettings(user_exponent=exponent))[1].source.matrix
        of_a = slice(matrix.indptr[0], matrix.indptr[1])
        row = dict(zip(matrix.indices[of_a].tolist(), matrix.data[of_a].tolist(), strict=True))
        shares[exponent] = row[2] / row[1]
    assert shares[0.0] == pytest.approx(1 / np.sqrt(2))
    assert shares[1.0] < 0.5 * shares[0.0]


def test_older_history_items_weigh_less_and_seen_items_are_left_out(run: Run) -> None:
    taken = [("u", "a"), ("u", "x"), ("v", "b"), ("v", "y"), ("w", "a"), ("w", "b"), ("z", "b"), ("z", "a")]
    model = neighbours(taken[:6], run)[1]
    queries = queries_of(dataset_of([(user, item, time) for time, (user, item) in enumerate(taken)]), np.array([2, 3]))
    scores, rows = model.source.retrieve(queries, 3, np.ones(4, dtype=np.bool_))
    _, _, x, y = range(4)
    assert rows.tolist() == [[y, x, -1], [x, y, -1]]
    half = 0.5 / np.sqrt(2)
    assert scores[0, :2] == pytest.approx([2 * half, half])
    assert model.score(queries, np.array([[x, y], [x, -1]])) == pytest.approx(
        np.array([[half, 2 * half], [2 * half, 0]])
    )


def test_text_tokens_are_padded_weighted_and_the_same_for_the_same_words() -> None:
    titles = ["red lamp", "Red  LAMP!", "blue lamp", "", "qqqq"]
    items = pl.DataFrame({"title": titles, **dict.fromkeys(("text", "tags", "categories"), [""] * 5)})
    table = text_table(items, num_buckets=1 << 16, num_tokens=6)
    assert table.tokens_NT[0].tolist() == table.tokens_NT[1].tolist()
    used = [set(tokens[tokens > 0].tolist()) for tokens in table.tokens_NT]
    assert used[0] & used[2], "both hold the word lamp"
    assert used[0] - used[2], "only one of them holds red"
    assert np.linalg.norm(table.weights_NT, axis=1) == pytest.approx([1, 1, 1, 0, 0], abs=1e-6)
    assert not table.tokens_NT[3:].any(), "an empty title and words that no other item has are padding"
    assert (table.weights_NT[table.tokens_NT == 0] == 0).all()


def test_a_basket_is_predicted_from_what_came_before_it_and_not_from_itself() -> None:
    dataset = dataset_of(
        [("u", "a", 1), ("u", "b", 1), ("u", "a", 5), ("u", "c", 5), ("u", "d", 5), ("u", "e", 9), ("v", "a", 3)]
    )
    rows_N = np.arange(dataset.num_items)
    examples = build_examples(dataset.before(9), rows_N, max_history=3, max_targets=2, max_examples=10)
    assert examples.times_X.tolist() == [5]
    assert ids_of(dataset, examples.histories_XL[0, 1:] - 1) == ["a", "b"]
    assert ids_of(dataset, examples.targets_XT[0]) == ["c", "d"]
    later = build_examples(dataset, rows_N, max_history=3, max_targets=2, max_examples=10)
    assert ids_of(dataset, later.histories_XL[1] - 1) == ["a", "c", "d"], "b was touched longest ago"
    latest = build_examples(dataset, rows_N, max_history=3, max_targets=2, max_examples=1)
    assert latest.times_X.tolist() == [9]


def test_nobody_who_comes_back_is_an_error_with_the_cut() -> None:
    dataset = dataset_of([("u", "a", 1), ("v", "b", 9)])
    with pytest.raises(InputError, match="no user comes back before 10"):
        build_examples(dataset, np.arange(2), max_history=3, max_targets=2, max_examples=10)
