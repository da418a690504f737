"""Numbering of users and items, what is cut away, histories, queries and new items."""

from dataclasses import replace

import numpy as np
import pytest

from shortlist.v1.manifest_pb2 import HistoryWeights
from shortlist_training.data.counts import decayed_counts
from shortlist_training.data.dataset import ANY_BUT_DISLIKE, Dataset, align
from shortlist_training.data.histories import Lists, histories_of, new_items, seen_items
from shortlist_training.data.queries import queries_of, sample_queries, task_of
from tests.training.data_sets import dataset_of, ids_of
from tests.training.shop import shop_events

DAY = 86_400


def test_items_are_sorted_by_the_bytes_of_their_ids_and_events_by_time() -> None:
    dataset = dataset_of([("u", "b", 3), ("u", "é", 1), ("u", "B", 2), ("u", "a", 2)])
    assert dataset.items["item_id"].to_list() == ["B", "a", "b", "é"]
    assert ids_of(dataset, dataset.rows) == ["é", "B", "a", "b"]
    assert dataset.timestamps.tolist() == [1, 2, 2, 3]
    assert dataset.as_of == 4


def test_the_fingerprint_depends_on_every_event_and_not_on_the_order_of_users() -> None:
    rows = [("u", "a", 1), ("v", "b", 2), ("u", "c", 3)]
    same = dataset_of(rows)
    assert same.fingerprint == dataset_of([rows[1], rows[2], rows[0]]).fingerprint
    assert same.fingerprint.startswith("sha256:")
    for changed in ([*rows[:2], ("u", "c", 4)], [*rows[:2], ("v", "c", 3)], rows[:2]):
        assert dataset_of(changed).fingerprint != same.fingerprint


def test_what_counts_as_success_is_said_once_for_the_whole_data() -> None:
    rows = [("u", "a", 1, "view"), ("u", "b", 11, "view"), ("u", "c", 12, "purchase")]
    whole = dataset_of(rows)
    assert whole.before(12).target_types == whole.target_types, "no purchase lies before, and yet they are the target"
    assert (whole.target_name, whole.target_words) == ("purchase", "purchase")
    views = dataset_of(rows[:2])
    assert views.target_types == ANY_BUT_DISLIKE
    assert (views.target_name, views.target_words) == ("interaction", "any event but dislike")


def test_a_dataset_that_was_cut_holds_nothing_else_and_keeps_users_and_items() -> None:
    whole = dataset_of([("u", "a", 1), ("v", "b", 5), ("u", "c", 9)])
    past, window = whole.before(9), whole.between(5, 9)
    assert past.timestamps.tolist() == [1, 5]
    assert window.timestamps.tolist() == [5]
    assert (past.num_users, past.num_items) == (whole.num_users, whole.num_items)
    assert (past.as_of, window.as_of, past.span_s) == (9, 9, 8)
    assert (whole.before(1).num_events, whole.before(1).span_s) == (0, 1)
    assert past.known_N.tolist() == [True, True, False]
    assert past.fingerprint == whole.fingerprint
    odd = whole.only(np.array([True, False, True]), 10)
    assert (odd.timestamps.tolist(), odd.as_of) == ([1, 9], 10)


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
    ).before(9)
    histories = histories_of(dataset)
    assert ids_of(dataset, histories.rows) == ["b", "a", "d"]
    assert histories.timestamps.tolist() == [2, 4, 4]
    assert histories.types.tolist() == [1, 1, 3], "of the last interaction"
    assert np.isnan(histories.values).all()
    assert ids_of(dataset, histories.last(2).rows) == ["a", "d"]
    assert ids_of(dataset, seen_items(dataset).rows) == ["a", "b", "c", "d"]


def test_lists_are_taken_in_the_order_asked_for() -> None:
    lists = Lists(np.array([0, 2, 2, 5]), np.arange(5, dtype=np.int32))
    taken = lists.take(np.array([2, 0, 1, 2]))
    assert [taken.of(user).tolist() for user in range(4)] == [[2, 3, 4], [0, 1], [], [2, 3, 4]]


def test_weights_of_a_history_are_those_of_the_manifest() -> None:
    dataset = dataset_of([("u", "a", 0), ("u", "b", DAY), ("u", "c", 3 * DAY), ("v", "c", 0), ("w", "a", 9 * DAY)])
    queries = queries_of(dataset.before(9 * DAY), np.array([0, 1, 2]))
    indptr, rows, weights = queries.weighted(HistoryWeights(max_items=2))
    assert (indptr.tolist(), rows.tolist(), weights.tolist()) == ([0, 2, 3, 3], [1, 2, 2], [1, 1, 1])
    _, _, weights = queries.weighted(HistoryWeights(max_items=9, decay_per_step=0.5))
    assert weights.tolist() == [0.25, 0.5, 1, 1]
    _, _, weights = queries.weighted(HistoryWeights(max_items=9, half_life_days=1))
    assert weights.tolist() == [0.125, 0.25, 1, 1], "the age counts from the newest item"
    _, _, weights = queries.weighted(HistoryWeights(max_items=9, decay_per_step=0.5, half_life_days=1, normalise=True))
    assert weights[:3].sum() == pytest.approx(1)
    assert weights[:3] / weights[2] == pytest.approx([1 / 32, 1 / 8, 1])


def test_new_items_are_those_never_met_before_by_an_event_of_the_right_type() -> None:
    dataset = dataset_of(
        [("u", "a", 1), ("u", "a", 11), ("u", "b", 12), ("u", "b", 13), ("u", "c", 20), ("v", "a", 15), ("w", "a", 1)]
    )
    past, future = dataset.before(10), dataset.between(10, 20)
    targets = new_items(past, future, dataset.target_types)
    assert [ids_of(dataset, targets.of(user)) for user in range(3)] == [["b"], ["a"], []]
    task = task_of(past, future)
    assert len(task) == 1, "v has no history and w takes nothing"
    assert task.queries.histories.rows.tolist() == [0]
    assert task.queries.now_B.tolist() == [10]


def test_only_purchases_are_targets_where_there_are_purchases() -> None:
    rows = [("u", "a", 1, "view"), ("u", "b", 11, "view"), ("u", "c", 12, "purchase")]

    def targets(dataset: Dataset) -> list[str]:
        return ids_of(dataset, task_of(dataset.before(10), dataset.between(10, 20)).targets.rows)

    assert targets(dataset_of(rows)) == ["c"]
    assert targets(dataset_of([*rows[:2], ("u", "c", 12, "cart"), ("u", "d", 13, "dislike")])) == ["b", "c"]


def test_nothing_at_or_after_the_cut_reaches_a_query() -> None:
    """Changing the future changes no history and no seen item."""
    events = shop_events()
    cut = events[len(events) // 2][2]
    past = dataset_of(events)
    late = past.timestamps >= cut
    future = replace(past, rows=np.where(late, 0, past.rows).astype(np.int32))
    before, after = histories_of(past.before(cut)), histories_of(future.before(cut))
    assert before.rows.tolist() == after.rows.tolist()
    assert before.timestamps.max() < cut
    assert seen_items(past.before(cut)).rows.tolist() == seen_items(future.before(cut)).rows.tolist()


def test_items_that_a_package_lacks_stay_targets_but_stand_in_no_history() -> None:
    dataset = dataset_of([("u", "a", 1), ("u", "new", 2), ("u", "b", 11), ("u", "newer", 12)])
    aligned = align(dataset, ["b", "a", "unsold"])
    assert aligned.items["item_id"].to_list() == ["b", "a", "unsold", "new", "newer"]
    task = task_of(aligned.before(10), aligned.between(10, 20), num_known=3)
    assert task.queries.histories.rows.tolist() == [1]
    assert task.targets.rows.tolist() == [0, 4]
    assert task.queries.seen.rows.tolist() == [1]


def test_users_of_a_large_window_are_drawn_with_the_seed() -> None:
    rows = [(f"u{n}", f"a{n}", 1) for n in range(50)] + [(f"u{n}", "b", 11) for n in range(50)]
    past, future = dataset_of(rows).before(10), dataset_of(rows).between(10, 20)
    assert len(task_of(past, future)) == 50
    drawn = [task_of(past, future, max_users=20, seed=seed).queries for seed in (1, 1, 2)]
    assert len(drawn[0]) == 20
    first, again, other = (queries.seen.rows.tolist() for queries in drawn)
    assert first == again != other
    assert len(sample_queries(past, 30, 0)) == 30


def test_counts_halve_with_age_and_leave_dislikes_out() -> None:
    rows = [("u", "a", 9 * DAY, "view"), ("v", "a", 8 * DAY, "view"), ("u", "b", 9 * DAY, "dislike")]
    dataset = dataset_of(rows).before(10 * DAY)
    assert decayed_counts(dataset, 1.0).tolist() == [0.75, 0]
    assert decayed_counts(dataset, np.inf).tolist() == [2, 0]
