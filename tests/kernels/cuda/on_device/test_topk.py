from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch
from shortlist_kernels import topk as topk_of_host
from tests.kernels.search_cases import assert_same


def assert_like_the_reference(scores: NDArray[Any], k: int) -> None:
    from shortlist_kernels.cuda import topk

    with dispatch.using("reference"):
        expected = topk_of_host(scores, k)
    assert_same(topk(scores, k), expected, scores, k)


VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, np.inf, -np.inf, np.nan]) | st.floats(-9, 9, width=32)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=40), k=st.integers(0, 45), dtype=st.sampled_from(["f4", "f8"]))
def test_topk_finds_what_the_reference_finds(values: list[float], k: int, dtype: str) -> None:
    assert_like_the_reference(np.array(values, dtype), k)


def test_rows_are_cut_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shortlist_kernels.cuda.selection.LEAST_PART", 8)
    monkeypatch.setattr("shortlist_kernels.cuda.selection.PARTS_PER_K", 2)
    monkeypatch.setattr("shortlist_kernels.cuda.backend.BLOCKS_ALONG_Y", 2)
    random = np.random.default_rng(0)
    scores = random.integers(-4, 5, (3, 30)).astype(np.float32)
    scores[1, 3:27] = np.nan
    for k in (1, 5):
        assert_like_the_reference(scores, k)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (2, 0)])
def test_device_arrays_of_no_length_give_such(shape: tuple[int, ...]) -> None:
    from shortlist_kernels.cuda import backend, topk

    expected = topk_of_host(np.empty(shape), 2)
    for found, wanted in zip(topk(backend.nothing(shape, np.float64), 2), expected, strict=True):
        assert found.shape == wanted.shape
        if wanted.size:
            np.testing.assert_array_equal(found.copy_to_host(), wanted)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (2, 0), (2, 1, 3)])
def test_any_number_of_axes_and_none_of_a_length(shape: tuple[int, ...]) -> None:
    assert_like_the_reference(np.arange(np.prod(shape), dtype=np.float64).reshape(shape), 2)


def test_a_bad_argument_is_named() -> None:
    from shortlist_kernels.cuda import topk

    with pytest.raises(ValueError, match=r"scores must be float32 or float64 .* got int64"):
        topk(np.ones(3, np.int64), 1)
    with pytest.raises(ValueError, match="k must be an integer from 0"):
        topk(np.ones(3), -1)
