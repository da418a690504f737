"""The sources: popularity and item neighbours by hand, the texts and examples that the towers learn from."""

import numpy as np
import polars as pl
import pytest
from shortlist_training.data.split import Window
from shortlist_training.models.two_tower.examples import build_examples

from shortlist_training.data.histories import Lists
from shortlist_training.data.queries import Queries, task_in
from shortlist_training.errors import InputError
from shortlist_training.models import item_neighbours, popular
from shortlist_training.models.item_neighbours import Choice
from shortlist_training.models.two_tower.text import text_table
from shortlist_training.recipes import ItemNeighboursSettings, PopularSettings
from tests.training.data_sets import dataset_of, ids_of

PLAIN = ItemNeighboursSettings(user_exponent=0.0, num_neighbours=10)
NO_DECAY = Choice(half_life_s=float("inf"), shrinkage=0.0, history_decay=0.5)


def queries_of(histories: list[list[int]], seen: list[list[int]], max_history: int = 4) -> Queries:
    """Queries from rows, oldest first."""
    items_BL = np.zeros((len(histories), max_history), dtype=np.int64)
    for user, rows in enumerate(histories):
        items_BL[user, max_history - len(rows) :] = np.array(rows) + 1
    lists = Lists(
        np.concatenate([[0], np.cumsum([len(rows) for rows in seen])]).astype(np.int64),
        np.array([row for rows in seen for row in rows], dtype=np.int32),
    )
    return Queries(items_BL, np.zeros(items_BL.shape, dtype=np.float32), lists)


def test_an_event_counts_half_per_half_life_of_age_and_a_dislike_not_at_all() -> None:
    dataset = dataset_of(
        [("u", "a", 90, "view"), ("v", "a", 80, "view"), ("u", "b", 100, "view"), ("u", "c", 70, "dislike")]
    )
    assert popular.fit(dataset, 100, 10.0).popularity_N.tolist() == [0.5 + 0.25, 0.0, 0.0]
    assert popular.fit(dataset, 101, float("inf")).popularity_N.tolist() == [2.0, 1.0, 0.0]


def test_popular_skips_what_was_seen_or_may_not_be_offered_and_breaks_ties_by_row() -> None:
    model = popular.Popular(np.array([1.0, 5.0, 1.0, 3.0, 0.0]))
    queries = queries_of([[], [1]], [[], [1]])
    scores, rows = model.retrieve(queries, 4, np.array([True, True, True, False, True]))
    assert rows.tolist() == [[1, 0, 2, 4], [0, 2, 4, -1]]
    assert scores.tolist() == [[5, 1, 1, 0], [1, 1, 0, -np.inf]]
    assert model.score(queries, np.array([[3, -1], [0, 1]])).tolist() == [[3, 0], [1, 5]]


def test_the_half_life_that_fits_the_window_is_chosen() -> None:
    """What sold long ago sells no more: only a short half-life puts the new favourite first."""
    old = [(f"u{n}", "old", 10 + n) for n in range(30)]
    new = [(f"v{n}", "new", 950 + n) for n in range(10)]
    takers = [(f"w{n}", "other", 100 + n) for n in range(5)] + [(f"w{n}", "new", 1005) for n in range(5)]
    dataset = dataset_of(old + new + takers)
    task = task_in(dataset, Window(name="validation", start=1000, end=1010), 5)
    assert len(task) == 5
    settings = PopularSettings(half_life_shares=(1 / 16, float("inf")))
    assert popular.choose_half_life(dataset, task, 1000, settings, 1) == 1000 / 16


def test_similarities_are_cosines_of_who_took_what() -> None:
    # a: u, v, w; b: u, v; c: w; so cos(a, b) = 2 / sqrt(3 x 2), cos(a, c) = 1 / sqrt(3), cos(b, c) = 0.
    taken = [("u", "a"), ("v", "a"), ("w", "a"), ("u", "b"), ("v", "b"), ("w", "c"), ("w", "c")]
    dataset = dataset_of([(user, item, time) for time, (user, item) in enumerate(taken)])
    similarities = item_neighbours.fit(dataset, 100, PLAIN, NO_DECAY).similarities
    assert similarities.indptr.tolist() == [0, 2, 3, 4]
    assert similarities.indices.tolist() == [1, 2, 0, 0]
    expected = [2 / np.sqrt(6), 1 / np.sqrt(3), 2 / np.sqrt(6), 1 / np.sqrt(3)]
    assert similarities.data == pytest.approx(expected, rel=1e-6)


def test_a_user_who_takes_everything_says_less_about_likeness() -> None:
    rows = [("all", item, 1) for item in "abcdefgh"] + [("u", "a", 1), ("u", "b", 1)]
    dataset = dataset_of(rows)
    to_b_and_c = {}
    for exponent in (0.0, 1.0):
        settings = ItemNeighboursSettings(user_exponent=exponent)
        similarities = item_neighbours.fit(dataset, 2, settings, NO_DECAY).similarities
        of_a = slice(similarities.indptr[0], similarities.indptr[1])
        row = dict(zip(similarities.indices[of_a].tolist(), similarities.data[of_a].tolist(), strict=True))
        to_b_and_c[exponent] = row[1], row[2]
    assert to_b_and_c[0.0] == pytest.approx((1.0, 1 / np.sqrt(2)))
    shares = {exponent: c / b for exponent, (b, c) in to_b_and_c.items()}
    assert shares[1.0] < 0.5 * shares[0.0]


def test_older_history_items_weigh_less_and_seen_items_are_left_out() -> None:
    taken = [("u", "a"), ("u", "x"), ("v", "b"), ("v", "y"), ("w", "a"), ("w", "b")]
    dataset = dataset_of([(user, item, time) for time, (user, item) in enumerate(taken)])
    model = item_neighbours.fit(dataset, 100, PLAIN, NO_DECAY)
    a, b, x, y = range(4)
    queries = queries_of([[a, b], [b, a], []], [[a, b], [a, b], []])
    scores, rows = model.retrieve(queries, 3, np.ones(4, dtype=np.bool_))
    assert rows.tolist() == [[y, x, -1], [x, y, -1], [-1, -1, -1]]
    half = 0.5 / np.sqrt(2)
    assert scores[0, :2] == pytest.approx([2 * half, half])
    assert model.score(queries, np.array([[x, y], [x, -1], [x, y]])) == pytest.approx(
        np.array([[half, 2 * half], [2 * half, 0], [0, 0]])
    )


def test_the_choice_of_neighbours_is_the_best_of_the_grid_on_validation() -> None:
    """What the user took last tells what comes next, so the strongest decay must win."""
    pairs = [(f"p{n}", item, 1) for n in range(6) for item in (("a", "x") if n < 3 else ("b", "y"))]
    goal = [("u", "a", 2), ("u", "b", 3), ("u", "y", 12), ("v", "b", 2), ("v", "a", 3), ("v", "x", 12)]
    dataset = dataset_of(pairs + goal)
    task = task_in(dataset, Window(name="validation", start=10, end=20), 5)
    settings = ItemNeighboursSettings(half_life_shares=(float("inf"),), shrinkages=(0.0,), history_decays=(1.0, 0.3))
    choice, model = item_neighbours.choose(dataset, task, 10, settings, 1)
    assert choice.history_decay == model.history_decay == 0.3


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
    examples = build_examples(dataset, 9, max_history=3, max_targets=2, max_examples=10)
    assert examples.times_X.tolist() == [5]
    assert ids_of(dataset, examples.histories_XL[0, 1:] - 1) == ["a", "b"]
    assert ids_of(dataset, examples.targets_XT[0]) == ["c", "d"]
    later = build_examples(dataset, 10, max_history=3, max_targets=2, max_examples=10)
    assert ids_of(dataset, later.histories_XL[1] - 1) == ["a", "c", "d"], "b was touched longest ago"
    assert build_examples(dataset, 10, max_history=3, max_targets=2, max_examples=1).times_X.tolist() == [9]


def test_nobody_who_comes_back_is_an_error_with_the_cut() -> None:
    dataset = dataset_of([("u", "a", 1), ("v", "b", 2)])
    with pytest.raises(InputError, match="no user comes back before 10"):
        build_examples(dataset, 10, max_history=3, max_targets=2, max_examples=10)
