from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch, topk

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
EVERY = list(dispatch.available_backends())


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=80)
@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_every_backend_selects_like_the_reference(
    isa: str, data: st.DataObject, dtype: Any, draw_float32: Draw
) -> None:
    shape = (data.draw(st.integers(0, 3)), data.draw(st.integers(0, 600)))
    scores = draw_float32(data, shape).astype(dtype)
    for value in data.draw(st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), max_size=3)):
        scores[scores == scores.flat[0] if scores.size else ...] = value
    k = data.draw(st.integers(0, 610))
    with dispatch.using("reference"):
        expected = topk(scores, k)
    with dispatch.using(isa):
        found = topk(scores, k)
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


@pytest.mark.parametrize("isa", EVERY)
def test_topk_orders_by_value_then_position_with_nan_last(isa: str) -> None:
    scores = np.array([np.nan, 2, -np.inf, 3, 2, np.nan, 3], np.float32)
    with dispatch.using(isa):
        values, positions = topk(scores, 9)
    assert positions.tolist() == [3, 6, 1, 4, 2, 0, 5, -1, -1]
    np.testing.assert_array_equal(values, [3, 3, 2, 2, -np.inf, np.nan, np.nan, -np.inf, -np.inf])
    assert values.dtype == np.float32


@pytest.mark.parametrize("isa", EVERY)
def test_topk_works_along_the_last_axis(isa: str) -> None:
    scores = np.random.default_rng(0).permutation(2 * 3 * 70).reshape(2, 3, 70).astype(np.float64)
    with dispatch.using(isa):
        values, positions = topk(scores, 4)
    np.testing.assert_array_equal(values, np.sort(scores, axis=-1)[..., ::-1][..., :4])
    np.testing.assert_array_equal(np.take_along_axis(scores, positions, axis=-1), values)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)])
def test_topk_of_nothing_is_padding(shape: tuple[int, ...]) -> None:
    values, positions = topk(np.zeros(shape, np.float32), 2)
    assert values.shape == positions.shape == (*shape[:-1], 2)
    assert (positions == -1).all()


@pytest.mark.parametrize(
    ("scores", "k", "message"),
    [
        (np.zeros(3, np.int64), 1, "scores must be float32 or float64 .* got int64"),
        (np.float32(1), 1, r"of shape \(\)"),
        ([[1.0], [2.0, 3.0]], 1, "scores must be an array, got a ragged list"),
        (np.zeros(3), -1, "k must be an integer from 0 .* got -1"),
        (np.zeros(3), "2", "k must be an integer, got '2'"),
    ],
)
def test_topk_names_a_bad_argument(scores: Any, k: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        topk(scores, k)
