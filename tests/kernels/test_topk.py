from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch, topk

Scores = NDArray[np.float32] | NDArray[np.float64]
Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
EVERY = list(dispatch.available_backends())


def assert_same_as_reference(isa: str, scores: Scores, k: int, num_threads: int | None = None) -> None:
    with dispatch.using("reference"):
        expected = topk(scores, k)
    with dispatch.using(isa):
        found = topk(scores, k, num_threads)
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


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
    assert_same_as_reference(isa, scores, data.draw(st.integers(0, 610)), data.draw(st.none() | st.integers(1, 5)))


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=60)
@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_every_backend_selects_from_any_bits(isa: str, data: st.DataObject, dtype: Any) -> None:
    """Distinct values of every sign, exponent and payload, in rows that are sampled and cut, whole and in parts."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 20_000)))
    scores = random.integers(0, 256, (*shape, np.dtype(dtype).itemsize), np.uint8).view(dtype)[..., 0]
    k = data.draw(st.integers(1, 300) | st.integers(1, shape[1] + 2))
    assert_same_as_reference(isa, scores, k, data.draw(st.none() | st.integers(1, 9)))


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "length", [*range(6), 7, 8, 9, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 2049]
)
def test_topk_finds_the_best_at_every_place_around_vector_widths(isa: str, dtype: Any, length: int) -> None:
    for place in range(length):
        scores = np.full(length, -1, dtype)
        scores[place] = 2
        with dispatch.using(isa):
            values, positions = topk(scores, 2)
        others = [0 if place else 1] if length > 1 else [-1]
        assert positions.tolist() == [place, *others]
        assert values.tolist() == [2, -1 if length > 1 else -np.inf]


ORDERS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "ascending": np.sort,
    "descending": lambda values: np.sort(values)[::-1],
    "peaked": lambda values: np.concatenate([np.sort(values[::2]), np.sort(values[1::2])[::-1]]),
    "equal": np.ones_like,
    "zeros of both signs": lambda values: np.copysign(np.float32(0), values),
    "few different": lambda values: np.round(values),
    "one infinite": lambda values: np.where(np.arange(values.size) == values.size - 1, np.float32(np.inf), values),
    "minus infinity but few": lambda values: np.where(values > 2.5, values, np.float32(-np.inf)),
    "NaN but few": lambda values: np.where(values > 2.5, values, np.float32(np.nan)),
    "NaN in front": lambda values: np.where(np.arange(values.size) < 9_000, np.float32(np.nan), values),
    "NaN all": lambda values: np.full_like(values, np.nan),
    "large at every 64th": lambda values: np.where(np.arange(values.size) % 64 == 5, values + 100, values),
    "rising blocks": lambda values: np.sort(values.reshape(-1, 50), axis=1).ravel(),
}


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("order", ORDERS)
def test_topk_is_exact_whatever_the_order_of_values(isa: str, order: str) -> None:
    values = np.random.default_rng(3).standard_normal(30_000, np.float32)
    scores = np.ascontiguousarray(ORDERS[order](values))
    for k in (1, 10, 100, 3_000, 15_000, 29_999, 30_000, 30_001):
        assert_same_as_reference(isa, scores, k)
        assert_same_as_reference(isa, scores.astype(np.float64), k, num_threads=3)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("common", [1, -1, 0, -0.0, 3e38, -np.inf])
def test_topk_finds_late_values_that_are_barely_larger_than_the_rest(isa: str, dtype: Any, common: float) -> None:
    scores = np.full(20_000, common, dtype)
    scores[-3:] = np.nextafter(scores[-3:], dtype(np.inf))
    with dispatch.using(isa):
        _, positions = topk(scores, 5)
    assert positions.tolist() == [19_997, 19_998, 19_999, 0, 1]


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("shape", [(1, 700_000), (3, 300_000), (1, 4_500_000), (700, 1000)])
def test_the_number_of_threads_does_not_change_the_result(isa: str, shape: tuple[int, int]) -> None:
    scores = np.random.default_rng(4).integers(0, 5_000, shape).astype(np.float32)
    with dispatch.using(isa):
        expected = [part.tobytes() for part in topk(scores, 90, 1)]
        for num_threads in (None, 2, 3, 64, 1000):
            assert [part.tobytes() for part in topk(scores, 90, num_threads)] == expected


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


@pytest.mark.parametrize("isa", EVERY)
def test_topk_takes_arrays_of_any_strides_and_leaves_them_alone(isa: str) -> None:
    scores = np.arange(40, dtype=np.float64).reshape(5, 8)
    with dispatch.using(isa):
        values, positions = topk(scores.T[::2, ::-1], 2)
    np.testing.assert_array_equal(values, [[32 + i, 24 + i] for i in (0, 2, 4, 6)])
    np.testing.assert_array_equal(positions, [[0, 1]] * 4)
    np.testing.assert_array_equal(scores, np.arange(40).reshape(5, 8))


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


@pytest.mark.parametrize("num_threads", [0, -1, 1.5])
def test_topk_names_a_bad_number_of_threads(num_threads: Any) -> None:
    with pytest.raises(ValueError, match="num_threads must be an integer"):
        topk(np.zeros(3), 1, num_threads)
