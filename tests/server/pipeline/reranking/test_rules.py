"""Each rule of re-ranking on lists whose right order is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist_kernels import VectorIndex
from shortlist_server.batching.levels import Level
from shortlist_server.catalog.spaces import Space
from shortlist_server.pipeline.query import Cap, Diversity, Freshness, ShareLimits
from tests.server.pipeline.reranking.shelf import Shelf, noted, places, query, ranked

DAY = 86_400
DESCENDING = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]


def test_without_rules_the_order_is_by_value_then_by_row() -> None:
    batch, ranking = ranked(Shelf([[]] * 5), [(query(4), [0.5, 0.9, 0.5, 0.1, 0.5])])
    assert places(ranking) == [1, 0, 2, 4]
    assert ranking.relevance_lost_B.tolist() == [0.0]
    assert noted(batch) == []


APPEARED = [0.0, 10.0 * DAY, None, 20.0 * DAY, 99.0 * DAY, 5.0 * DAY]


def test_age_alone_puts_the_newest_first_and_the_undated_last() -> None:
    shelf = Shelf([[]] * 6, {"appeared": APPEARED})
    wish = Freshness(attribute="appeared", half_life_days=7.0, weight=1.0)
    _, ranking = ranked(shelf, [(query(6, freshness=wish, timestamp=20 * DAY), DESCENDING)])
    # The item of day 99 is of the future: as old as the one of today, and of a smaller value.
    assert places(ranking) == [3, 4, 1, 5, 0, 2]


def test_freshness_weighs_half_lives_against_stretched_values() -> None:
    shelf = Shelf([[]] * 3, {"appeared": [0.0, 10.0 * DAY, 0.0]})
    # Stretched values 1, 0.5, 0; favours 0.25, 1, 0.25 after two half-lives of 5 days.
    for weight, order in ((0.3, [0, 1, 2]), (0.5, [1, 0, 2])):
        wish = Freshness(attribute="appeared", half_life_days=5.0, weight=weight)
        _, ranking = ranked(shelf, [(query(3, freshness=wish, timestamp=10 * DAY), [3.0, 2.0, 1.0])])
        assert places(ranking) == order


def test_calibration_alone_follows_the_mixture_of_the_history() -> None:
    shelf = Shelf([["a"], ["a"], ["a"], ["a"], ["b"], ["b"], ["a"], ["a"], ["a"], ["b"]])
    batch, ranking = ranked(shelf, [(query(4, calibration=1.0), DESCENDING)], history=[6, 7, 8, 9])
    assert sorted(places(ranking)) == [0, 1, 2, 4]
    assert noted(batch) == []
    _, untouched = ranked(shelf, [(query(4, calibration=0.0), DESCENDING)], history=[6, 7, 8, 9])
    assert places(untouched) == [0, 1, 2, 3]


def test_an_item_of_several_categories_counts_for_each_in_equal_parts() -> None:
    shelf = Shelf([["c"], ["a"], ["b"], ["a", "b"]])
    _, ranking = ranked(shelf, [(query(1, calibration=1.0), [0.9, 0.8, 0.7])], history=[3])
    assert places(ranking) == [1]
    _, two = ranked(shelf, [(query(2, calibration=1.0), [0.9, 0.8, 0.7])], history=[3])
    assert places(two) == [1, 2]


@pytest.mark.parametrize("history", [[], [1]], ids=["no history", "no categories"])
def test_calibration_without_a_mixture_leaves_the_order_and_says_so(history: list[int]) -> None:
    batch, ranking = ranked(Shelf([["a"], []]), [(query(2, calibration=1.0), [0.5, 0.9])], history=history)
    assert places(ranking) == [1, 0]
    assert noted(batch) == [("calibration", "COLD_START")]


def vectors(*rows: list[float]) -> Space:
    index = VectorIndex(len(rows[0]))
    index.add(np.arange(len(rows)), np.array(rows, np.float32))
    return Space("made up", index, 1)


@pytest.mark.parametrize("method", ["mmr", "dpp"])
def test_diversity_passes_over_what_is_like_the_items_before(method: str) -> None:
    alike = vectors([1, 0], [1, 0], [0, 1])
    asked = query(2, diversity=Diversity(method=method, strength=0.6))  # type: ignore[arg-type]
    _, ranking = ranked(Shelf([[]] * 3), [(asked, [0.9, 0.8, 0.7])], space=alike)
    assert places(ranking) == [0, 2]
    assert ranking.relevance_lost_B == pytest.approx([0.1])


def test_a_package_without_vectors_answers_without_diversity_and_says_so() -> None:
    batch, ranking = ranked(Shelf([[]] * 2), [(query(2, diversity=Diversity(strength=1.0)), [0.5, 0.9])])
    assert places(ranking) == [1, 0]
    assert noted(batch) == [("diversity", "NOT_IN_PACKAGE")]


CATEGORIES = [["a", "b"], ["a"], ["b", "c"], ["c"], [], ["c", "d"], ["d"], ["a", "b", "c", "d"]]


@pytest.mark.parametrize(
    ("most", "k", "kept"),
    [(1, 8, [0, 3, 4, 6]), (1, 2, [0, 3]), (2, 8, [0, 1, 2, 3, 4, 6]), (9, 8, [0, 1, 2, 3, 4, 5, 6, 7])],
)
def test_every_category_of_an_item_counts(most: int, k: int, kept: list[int]) -> None:
    asked = query(k, caps=(Cap(attribute="category", max_items=most),))
    _, ranking = ranked(Shelf(CATEGORIES), [(asked, np.arange(8, 0, -1).tolist())])
    assert places(ranking) == kept


def test_an_item_without_a_value_is_not_capped() -> None:
    shelf = Shelf([[]] * 5, {"price": [1.0, None, 1.0, None, 2.0]})
    _, ranking = ranked(shelf, [(query(5, caps=(Cap(attribute="price", max_items=1),)), DESCENDING[:5])])
    assert places(ranking) == [0, 1, 3, 4]


def shares(category: str, min_share: float = 0.0, max_share: float = 1.0) -> ShareLimits:
    return ShareLimits(category=category, min_share=min_share, max_share=max_share)


def test_a_share_is_met_in_every_head_of_the_answer() -> None:
    shelf = Shelf([["a"], ["a"], ["a"], ["b"], ["b"], ["a"]])
    batch, ranking = ranked(shelf, [(query(4, exposure=(shares("b", 0.5),)), DESCENDING)])
    assert places(ranking) == [0, 3, 1, 4]
    assert noted(batch) == []
    assert ranking.relevance_lost_B == pytest.approx([0.7 + 0.6 - 0.6 - 0.5])


def test_an_item_of_two_constraints_counts_for_the_first() -> None:
    shelf = Shelf([["a"], ["a", "b"], ["b"], ["a"]])
    _, ranking = ranked(shelf, [(query(2, exposure=(shares("a"), shares("b", 0.5))), DESCENDING[:4])])
    assert places(ranking) == [0, 2]
    _, other = ranked(shelf, [(query(2, exposure=(shares("b", 0.5), shares("a"))), DESCENDING[:4])])
    assert places(other) == [0, 1]


def test_shares_that_the_candidates_do_not_allow_are_met_as_far_as_they_do() -> None:
    shelf = Shelf([["a"], ["a"], ["b"], ["a"]])
    batch, ranking = ranked(shelf, [(query(4, exposure=(shares("b", 0.5),)), DESCENDING[:4])])
    assert places(ranking) == [0, 2, 1, 3]
    assert noted(batch) == [("exposure_constraints", "UNMET")]


def test_caps_win_over_shares() -> None:
    shelf = Shelf([["a"], ["b"], ["b"], ["b"]])
    asked = query(4, caps=(Cap(attribute="category", max_items=1),), exposure=(shares("b", 0.6),))
    batch, ranking = ranked(shelf, [(asked, DESCENDING[:4])])
    assert places(ranking) == [0, 1]
    assert noted(batch) == []
    more = query(4, caps=(Cap(attribute="category", max_items=2),), exposure=(shares("a", 0.5),))
    batch, ranking = ranked(Shelf([["b"], ["b"], ["c"], ["a"]]), [(more, DESCENDING[:4])])
    assert places(ranking) == [0, 3, 1, 2]
    assert noted(batch) == [("exposure_constraints", "UNMET")]


ALL_RULES = query(
    3,
    freshness=Freshness(attribute="appeared", half_life_days=1.0, weight=1.0),
    calibration=0.5,
    diversity=Diversity(strength=0.5),
    caps=(Cap(attribute="category", max_items=2),),
    exposure=(shares("b", 1 / 3),),
)
SHELF = Shelf([["a"], ["a"], ["a"], ["b"], ["a"]], {"appeared": [None] * 5})


@pytest.mark.parametrize("level", [Level.NO_RERANK, Level.NO_SCORE, Level.FALLBACK])
def test_demands_hold_where_time_is_short_and_wishes_are_named(level: Level) -> None:
    batch, ranking = ranked(SHELF, [(ALL_RULES, DESCENDING[:5])], history=[3], level=level)
    assert places(ranking) == [0, 1, 3]
    assert noted(batch) == [(rule, "DEADLINE") for rule in ("freshness", "calibration", "diversity")]


def test_an_empty_list_stays_empty_under_every_rule() -> None:
    batch, ranking = ranked(SHELF, [(ALL_RULES, []), (query(2), [0.5])], history=[3], space=vectors([1], [1]))
    assert places(ranking, 0) == []
    assert places(ranking, 1) == [0]
    assert noted(batch) == []
