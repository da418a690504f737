"""`checks.finite`, whose large arrays are read by several threads."""

import numpy as np
import pytest

from shortlist_kernels import checks
from shortlist_kernels.arrays import AnyArray

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
