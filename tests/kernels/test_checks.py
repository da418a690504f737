"""`checks.finite`, whose large arrays are read by several threads."""

from typing import Any

import numpy as np
import pytest

from shortlist_kernels import checks
from shortlist_kernels.arrays import AnyArray, Csr
from shortlist_kernels.rerank.candidates import candidates, per_group

SIZES = [1, 31, 1000, checks.LARGE - 1, checks.LARGE, checks.LARGE + 65, 3 * checks.LARGE + 1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_named_wherever_it_lies(size: int, dtype: type, value: float) -> None:
    for place in {0, size // 2, size - 1}:
        array: AnyArray = np.ones(size, dtype)
        array[place] = value
        with pytest.raises(ValueError, match=rf"bias must be finite, got {value} at position \({place},\)"):
            checks.finite("bias", array)


@pytest.mark.parametrize("size", SIZES)
def test_finite_values_pass_though_their_sum_does_not_fit(size: int) -> None:
    checks.finite("bias", np.full(size, np.finfo(np.float32).max, np.float32))
    checks.finite("bias", np.full(size, -np.finfo(np.float64).max))


def test_values_out_of_order_in_memory_are_checked_too() -> None:
    matrix = np.zeros((2, checks.LARGE), np.float32)
    matrix[1, 3] = np.nan
    matrix.flags.writeable = False
    for array, place in ((matrix, r"\(1, 3\)"), (matrix.T, r"\(3, 1\)"), (matrix[:, ::3], r"\(1, 1\)")):
        with pytest.raises(ValueError, match=f"vectors must be finite, got nan at position {place}"):
            checks.finite("vectors", array)
    checks.finite("vectors", matrix[:, 4:])


def unaligned(array: AnyArray) -> AnyArray:
    """The same values, one byte off."""
    room = np.zeros(array.nbytes + 1, np.uint8)
    moved: AnyArray = np.ndarray(array.shape, array.dtype, buffer=room, offset=1)
    moved[...] = array
    assert moved.flags.c_contiguous
    assert not moved.flags.aligned
    return moved


def test_what_reaches_c_is_aligned() -> None:
    scores, half = unaligned(np.arange(6.0)), unaligned(np.full(2, 0.5))
    matrix = Csr(np.array([0, 2]), unaligned(np.array([0, 1], np.int32)), unaligned(np.ones(2, np.float32)), (1, 2))
    parts: list[AnyArray] = [
        candidates(scores).scores_QN,
        per_group("target", half, 1),
        checks.numbers_per_query("diversity", half, 2),
        *checks.sparse_matrix_form("similarity", matrix)[:3],
    ]
    assert all(part.flags.aligned for part in parts)


@pytest.mark.parametrize("value", [10**400, "x", None, float("nan")])
def test_what_is_no_finite_number_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match="shrinkage must be"):
        checks.finite_number("shrinkage", value, 0.0)


def test_a_choice_must_be_a_word() -> None:
    with pytest.raises(ValueError, match="similarity must be one of cosine, dot, got array"):
        checks.one_of("similarity", np.array(["cosine", "dot"]), ("cosine", "dot"))  # type: ignore[arg-type]
