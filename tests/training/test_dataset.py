"""Numbering of users and items, the split, histories and targets."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from shortlist_training.data.split import Window, global_time, windows_before_test

from shortlist_training.data.dataset import align
from shortlist_training.data.histories import histories_before, history_features, new_items_in, seen_before
from shortlist_training.data.queries import count_active_users, task_in
from shortlist_training.errors import InputError
from tests.training.data_sets import dataset_of, ids_of
from tests.training.shop import shop_events


def test_items_are_sorted_by_the_bytes_of_their_ids_and_events_by_time() -> None:
    dataset = dataset_of([("u", "b", 3), ("u", "é", 1), ("u", "B", 2), ("u", "a", 2)])
    assert dataset.items["item_id"].to_list() == ["B", "a", "b", "é"]
    assert ids_of(dataset, dataset.rows) == ["é", "B", "a", "b"]
    assert dataset.timestamps.tolist() == [1, 2, 2, 3]


def test_the_fingerprint_depends_on_every_event_and_not_on_the_order_of_users() -> None:
    rows = [("u", "a", 1), ("v", "b", 2), ("u", "c", 3)]
    same = dataset_of(rows)
    assert same.fingerprint == dataset_of([rows[1], rows[2], rows[0]]).fingerprint
    assert same.fingerprint.startswith("sha256:")
    for changed in ([*rows[:2], ("u", "c", 4)], [*rows[:2], ("v", "c", 3)], rows[:2]):
        assert dataset_of(changed).fingerprint != same.fingerprint


def test_the_test_period_is_the_last_tenth_of_the_time_and_validation_the_tenth_before() -> None:
    dataset = dataset_of([(f"u{t % 7}", f"i{t % 5}", t) for t in range(1001)])
    protocol = global_time(dataset)
    assert (protocol.validation_start, protocol.test_start, protocol.end) == (800, 900, 1001)
    assert protocol.measured_by == "time"
    assert protocol.describe(protocol.test)["window"] == "test"


def test_bunched_up_times_are_split_by_events() -> None:
    times = [*range(500), 100_000]
    protocol = global_time(dataset_of([("u", f"i{t}", t) for t in times]))
    assert protocol.measured_by == "events"
    assert (protocol.validation_start, protocol.test_start) == (400, 450)


@pytest.mark.parametrize("times", [[5] * 50, [1, 2]])
def test_times_that_cannot_be_split_are_an_error_with_the_count(times: list[int]) -> None:
    dataset = dataset_of([("u", f"i{n}", time) for n, time in enumerate(times)])
    with pytest.raises(InputError, match=f"the {len(times)} events have {len(set(times))} different timestamps"):
        global_time(dataset)


def test_the_least_data_that_can_be_split_is_what_the_error_asks_for() -> None:
    with pytest.raises(InputError, match=r"three periods with at least 1 events each.* at least 6 timestamps"):
        global_time(dataset_of([("u", f"i{n}", n) for n in range(5)]))
    assert global_time(dataset_of([("u", f"i{n}", n) for n in range(6)])).end == 6


def test_the_protocol_says_what_counts_as_success() -> None:
    rows = [(f"u{t % 7}", f"i{t % 5}", t, "view") for t in range(100)]
    views = global_time(dataset_of(rows))
    assert views.describe(views.test)["target"] == "any event but dislike"
    assert global_time(dataset_of([*rows, ("u", "a", 7, "purchase")])).target == "purchase"


def test_active_users_count_whatever_the_type_of_their_event() -> None:
    past = [(user, "a", 1, "purchase") for user in ("buyer", "viewer", "hater", "same")]
    now = [
        ("buyer", "b", 5, "purchase"),
        ("viewer", "b", 5, "view"),
        ("hater", "b", 5, "dislike"),
        ("same", "a", 5, "view"),
    ]
    dataset = dataset_of([*past, *now, ("stranger", "b", 5, "view")])
    window = Window(name="test", start=5, end=6)
    assert len(task_in(dataset, window, 10)) == 1
    assert count_active_users(dataset, window) == 2


def test_windows_before_the_test_period_touch_and_end_with_validation() -> None:
    dataset = dataset_of([(f"u{t % 7}", f"i{t % 5}", t) for t in range(1001)])
    windows = windows_before_test(dataset, global_time(dataset), 9)
    assert [(w.name, w.start, w.end) for w in windows] == [
        ("before-3", 500, 600),
        ("before-2", 600, 700),
        ("before-1", 700, 800),
        ("validation", 800, 900),
    ]


def test_a_history_holds_distinct_items_by_their_last_interaction_without_dislikes() -> None:
    dataset = dataset_of(
        [
            ("u", "a", 1, "purchase"),
            ("u", "b", 2, "view"),
            ("u", "c", 3, "dislike"),
            ("u", "a", 4, "view"),
            ("u", "d", 4, "cart"),
            ("u", "e", 9, "purchase"),
        ]
    )
    histories = histories_before(dataset, 9)
    assert ids_of(dataset, histories.rows) == ["b", "a", "d"]
    assert histories.timestamps.tolist() == [2, 4, 4]
    assert ids_of(dataset, seen_before(dataset, 9).rows) == ["a", "b", "c", "d"]


def test_features_are_left_padded_and_ages_count_from_the_newest_item() -> None:
    day = 86_400
    dataset = dataset_of([("u", "a", 0), ("u", "b", day), ("u", "c", 3 * day), ("v", "c", 0)])
    histories = histories_before(dataset, 10 * day)
    items_BL, recency_BL = history_features(histories, np.array([0, 1]), 4)
    assert items_BL.tolist() == [[0, 1, 2, 3], [0, 0, 0, 3]]
    assert recency_BL.tolist() == [[0, 3, 2, 0], [0, 0, 0, 0]]
    short_BL, _ = history_features(histories, np.array([0]), 2)
    assert short_BL.tolist() == [[2, 3]]


def test_targets_are_new_items_inside_the_window_only() -> None:
    dataset = dataset_of(
        [("u", "a", 1), ("u", "a", 11), ("u", "b", 12), ("u", "b", 13), ("u", "c", 20), ("v", "a", 15), ("w", "a", 1)]
    )
    window = Window(name="test", start=10, end=20)
    targets = new_items_in(dataset, window)
    assert [ids_of(dataset, targets.of(user)) for user in range(3)] == [["b"], ["a"], []]
    task = task_in(dataset, window, 5)
    assert len(task) == 1, "v has no history and w takes nothing"
    assert task.queries.history_items_BL.tolist() == [[0, 0, 0, 0, 1]]


def test_only_purchases_are_targets_where_there_are_purchases() -> None:
    rows = [("u", "a", 1, "view"), ("u", "b", 11, "view"), ("u", "c", 12, "purchase")]
    window = Window(name="test", start=10, end=20)
    dataset = dataset_of(rows)
    assert ids_of(dataset, new_items_in(dataset, window).rows) == ["c"]
    assert dataset.target_name == "purchase"
    without = dataset_of([*rows[:2], ("u", "c", 12, "cart"), ("u", "d", 13, "dislike")])
    assert ids_of(without, new_items_in(without, window).rows) == ["b", "c"]
    assert without.target_name == "interaction"


def test_nothing_at_or_after_the_cut_reaches_a_query() -> None:
    """Changing the future changes no history and no seen item."""
    events = shop_events()
    cut = events[len(events) // 2][2]
    past = dataset_of(events)
    other_items = [(user, item if time < cut else "lamp-00", time) for user, item, time in events]
    future = dataset_of(other_items)
    future = (
        replace(future, items=past.items) if future.items.height == past.items.height else align(future, past.items)
    )
    before, after = histories_before(past, cut), histories_before(future, cut)
    assert before.rows.tolist() == after.rows.tolist()
    assert before.timestamps.max() < cut
    assert seen_before(past, cut).rows.tolist() == seen_before(future, cut).rows.tolist()


def test_items_that_a_package_lacks_stay_targets_but_stand_in_no_history() -> None:
    dataset = dataset_of([("u", "a", 1), ("u", "new", 2), ("u", "b", 11), ("u", "newer", 12)])
    aligned = align(dataset, pl.DataFrame({"item_id": ["b", "a"]}))
    assert aligned.items["item_id"].to_list() == ["b", "a", "new", "newer"]
    task = task_in(aligned, Window(name="test", start=10, end=20), 3, num_known=2)
    assert task.queries.history_items_BL.tolist() == [[0, 0, 2]]
    assert task.targets.rows.tolist() == [0, 3]
    assert task.queries.seen.rows.tolist() == [1]


def test_users_of_a_large_window_are_drawn_with_the_seed() -> None:
    rows = [(f"u{n}", "a", 1) for n in range(50)] + [(f"u{n}", "b", 11) for n in range(50)]
    window = Window(name="test", start=10, end=20)
    dataset = dataset_of(rows)
    assert len(task_in(dataset, window, 5)) == 50
    assert len(task_in(dataset, window, 5, max_users=20, seed=1)) == 20
