from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import Csr, decay_weights, dispatch, score_neighbours, search_neighbours

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
EVERY = list(dispatch.available_backends())

# 0 -> {1: 0.5, 2: 0.25}, 1 -> {0: 0.5}, 2 -> {0: 0.25, 3: -1}, 3 -> {}
SMALL = Csr(
    np.array([0, 2, 3, 5, 5]),
    np.array([1, 2, 0, 0, 3], np.int32),
    np.array([0.5, 0.25, 0.5, 0.25, -1], np.float32),
    (4, 4),
)
HISTORY = (np.array([0, 2, 2, 3]), np.array([0, 1, 2], np.int32), np.array([1, 0.5, 2], np.float32))


@pytest.mark.parametrize("isa", EVERY)
def test_scores_are_weighted_sums_of_similarities(isa: str) -> None:
    candidates = np.array([[0, 1, 2, 3, -1]] * 3)
    with dispatch.using(isa):
        scores = score_neighbours(SMALL, HISTORY, candidates)
    assert scores.tolist() == [[0.25, 0.5, 0.25, 0, 0], [0, 0, 0, 0, 0], [0.5, 0, 0, -2, 0]]
    assert scores.dtype == np.float32


@pytest.mark.parametrize("isa", EVERY)
def test_search_returns_only_what_scored_and_breaks_ties_by_smaller_id(isa: str) -> None:
    with dispatch.using(isa):
        scores, ids = search_neighbours(SMALL, HISTORY, 4)
        assert ids.tolist() == [[1, 0, 2, -1], [-1, -1, -1, -1], [0, 3, -1, -1]]
        assert scores[0].tolist() == [0.5, 0.25, 0.25, -np.inf]
        mask = np.array([True, False, True, True])
        assert search_neighbours(SMALL, HISTORY, 1, mask=mask, exclude=[0])[1].tolist() == [[2], [-1], [3]]
        per_query = (np.array([0, 0, 0, 1]), np.array([3]))
        assert search_neighbours(SMALL, HISTORY, 2, exclude=per_query)[1].tolist() == [[1, 0], [-1, -1], [0, -1]]


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_every_backend_scores_and_searches_like_the_reference(
    isa: str, data: st.DataObject, draw_float32: Draw
) -> None:
    num_rows, num_columns = data.draw(st.integers(0, 15)), data.draw(st.integers(1, 25))
    lengths = [data.draw(st.integers(0, num_columns)) for _ in range(num_rows)]
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    indices = [random.permutation(num_columns)[:length] for length in lengths]
    flat = np.concatenate([np.empty(0, np.int32), *indices]).astype(np.int32)
    matrix = Csr(np.cumsum([0, *lengths]), flat, draw_float32(data, flat.shape), (num_rows, num_columns))
    visits = [data.draw(st.integers(0, 6 if num_rows else 0)) for _ in range(data.draw(st.integers(0, 4)))]
    rows = random.integers(0, max(num_rows, 1), sum(visits)).astype(np.int32)
    history = (np.cumsum([0, *visits]), rows, draw_float32(data, rows.shape))
    mask = data.draw(st.sampled_from([None, random.random((len(visits), num_columns)) < 0.7]))
    candidates = random.integers(-1, num_columns, (len(visits), 9))
    answers = []
    for name in ("reference", isa):
        with dispatch.using(name):
            found = search_neighbours(matrix, history, 8, mask=mask, exclude=[0, 3, 99])
            answers.append((*found, score_neighbours(matrix, history, candidates)))
    assert [part.tobytes() for part in answers[0]] == [part.tobytes() for part in answers[1]]


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize(
    "damage",
    [
        {"indices": np.array([1, 9, 0, 0, 3], np.int32)},
        {"indices": np.array([-1, 2, 0, 0, 3], np.int32)},
        {"indptr": np.array([0, 6, 3, 5, 5])},
        {"indptr": np.array([0, -2, 3, 5, 5])},
        {"indptr": np.array([3, 2, 3, 5, 5])},
        {"data": np.array([np.nan, 0.25, 0.5, 0.25, -1], np.float32)},
        {"data": np.array([0.5, -np.inf, 0.5, 0.25, -1], np.float32)},
    ],
)
def test_a_damaged_matrix_is_an_error_and_not_a_crash(isa: str, damage: dict[str, Any]) -> None:
    matrix = SMALL._replace(**damage)
    with dispatch.using(isa):
        with pytest.raises(ValueError, match=r"neighbours must have indptr and indices in range .*, got a bad row 0"):
            search_neighbours(matrix, HISTORY, 2)
        with pytest.raises(ValueError, match="got a bad row 0"):
            score_neighbours(matrix, HISTORY, np.zeros((3, 1), np.int64))


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ((np.array([0, 1]), np.array([4]), np.ones(1, np.float32)), "history rows must be within 0 to 3, got 4"),
        ((np.array([0, 1]), np.array([-1]), np.ones(1, np.float32)), "history rows must be within 0 to 3, got -1"),
        ((np.array([0, 2]), np.array([1]), np.ones(1, np.float32)), "history indptr must rise from 0 to 1"),
        ((np.array([], np.int64), np.array([1]), np.ones(1, np.float32)), "history indptr must rise"),
        ((np.array([0, 1]), np.array([1]), np.ones(1)), "history weights must be float32"),
        ((np.array([0, 1]), np.array([1]), np.full(1, np.nan, np.float32)), "history weights must be finite"),
        ((np.array([0, 1]), np.array([1])), r"history must be a tuple \(indptr, rows, weights\)"),
    ],
)
def test_a_bad_history_is_named(history: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search_neighbours(SMALL, history, 2)


def test_bad_candidates_are_named() -> None:
    with pytest.raises(ValueError, match="candidates must be within -1 to 3, got 4"):
        score_neighbours(SMALL, HISTORY, np.array([[4], [0], [0]]))
    with pytest.raises(ValueError, match=r"candidates must have one row per query \(3\), got 1"):
        score_neighbours(SMALL, HISTORY, np.array([[0]]))


def test_a_weight_halves_with_each_half_life() -> None:
    weights = decay_weights([0, 1.5, 3, 6], 3)
    assert weights.dtype == np.float32
    assert weights.tolist() == pytest.approx([1, 2**-0.5, 0.5, 0.25])
    history = (np.array([0, 2]), np.array([0, 1]), decay_weights(np.array([6, 0]), 3.0))
    assert score_neighbours(SMALL, history, [[0, 1, 2]]).tolist() == [[0.5, 0.125, 0.0625]]


@pytest.mark.parametrize(
    ("ages", "half_life", "message"),
    [
        ([1, -2.0], 1, "ages must be >= 0, got -2.0"),
        ([np.nan], 1, "ages must be finite, got nan"),
        (["old"], 1, "ages must be numbers, got <U3"),
        ([1], 0, "half_life must be > 0, got 0"),
        ([1], -1, "half_life must be >= 0, got -1"),
    ],
)
def test_bad_ages_are_named(ages: Any, half_life: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decay_weights(ages, half_life)
