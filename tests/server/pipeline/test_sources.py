"""The sources agree with plain NumPy, and score what they retrieve as they retrieved it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.batch import Profiles
from shortlist_server.pipeline.sources import build_sources
from shortlist_server.pipeline.sources.popular import Popular


def profiles_of(histories: list[list[int]], max_history: int = 10) -> Profiles:
    rows_BL = np.full((len(histories), max_history), -1, np.int64)
    for request, history in enumerate(histories):
        rows_BL[request, max_history - len(history) :] = history
    return Profiles(
        history_rows_BL=rows_BL,
        history_times_BL=np.zeros_like(rows_BL),
        seen_rows=tuple(np.array(history, np.int64) for history in histories),
        seen_types=tuple(np.ones(len(history), np.uint8) for history in histories),
        num_unknown_B=np.zeros(len(histories), np.int64),
    )


@pytest.mark.parametrize("number", [0, 1, 2], ids=["two_tower", "item_neighbours", "popular"])
def test_scores_of_candidates_are_those_of_retrieval(number: int, package: Package) -> None:
    asked = build_sources(package)[number].ask(profiles_of([[1, 2, 3], [], [7]]))
    mask = np.ones((3, 60), np.bool_)
    rows, scores = asked.retrieve(mask, 12)
    expected = np.where(rows == -1, np.float32(0), scores)
    np.testing.assert_array_equal(asked.score(rows), expected)


@pytest.mark.parametrize("number", [0, 1], ids=["two_tower", "item_neighbours"])
def test_personal_sources_have_nothing_for_users_without_history(number: int, package: Package) -> None:
    asked = build_sources(package)[number].ask(profiles_of([[]]))
    rows, scores = asked.retrieve(np.ones((1, 60), np.bool_), 5)
    assert rows.tolist() == [[-1] * 5]
    assert np.isneginf(scores).all()
    assert asked.score(np.array([[3, -1]])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("number", [0, 1, 2], ids=["two_tower", "item_neighbours", "popular"])
def test_a_request_gets_the_same_bits_alone_and_in_company(number: int, package: Package) -> None:
    random = np.random.default_rng(3)
    histories = [random.choice(60, random.integers(1, 11), replace=False).tolist() for _ in range(40)]
    mask: NDArray[np.bool_] = random.random((40, 60)) < 0.7
    source = build_sources(package)[number]
    rows, scores = source.ask(profiles_of(histories)).retrieve(mask, 20)
    for request in range(40):
        alone = source.ask(profiles_of([histories[request]])).retrieve(mask[request : request + 1], 20)
        assert alone.rows_BC.tobytes() == rows[request].tobytes()
        assert alone.scores_BC.tobytes() == scores[request].tobytes()


@given(popularity=st.lists(st.integers(0, 4), min_size=1, max_size=60), data=st.data())
def test_popular_walks_down_exactly_the_sorted_allowed_items(popularity: list[int], data: st.DataObject) -> None:
    values = np.array(popularity, np.float32)
    allowed = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    k = data.draw(st.integers(1, 70))
    rows, scores = Popular("popular", 1.0, values).retrieve(np.array([allowed]), k)
    expected = sorted((row for row in range(len(values)) if allowed[row]), key=lambda row: (-values[row], row))[:k]
    assert rows[0].tolist() == expected + [-1] * (k - len(expected))
    assert scores[0, : len(expected)].tolist() == values[expected].tolist()
