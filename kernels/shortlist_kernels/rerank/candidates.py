"""The arguments that re-ranking shares, and the form of its answers."""

from typing import Any, NamedTuple

import numpy as np

from shortlist_kernels import checks
from shortlist_kernels.arrays import AnyArray, Float64, Int64
from shortlist_kernels.cpu import _cpu

SHARED_WORK = 1 << 16  # candidates for which a second thread pays


class Candidates(NamedTuple):
    """Scores of the candidates of Q users; `shape` is (n,) or (Q, n), as they were given."""

    scores_QN: Float64
    shape: tuple[int, ...]

    def num_threads(self, wanted: int | None) -> int:
        """As many as wanted, checked; None: the cores of the process where there is work for them."""
        if wanted is not None:
            return checks.whole_number("num_threads", wanted, minimum=1)
        return _cpu.available_cores() if self.scores_QN.size >= SHARED_WORK else 1

    def groups(self, name: str, value: Any, num_groups: int, minimum: int = 0) -> Int64:
        """One group per candidate from `minimum` to num_groups - 1, as (Q, n)."""
        return integers_per_candidate(name, value, self.shape, minimum, num_groups - 1)

    def answer(self, order_QK: Int64, lost_Q: Float64) -> tuple[Int64, Float64]:
        """With the axis of users if the scores had one."""
        return (order_QK, lost_Q) if len(self.shape) == 2 else (order_QK[0], np.asarray(lost_Q[0]))


def candidates(scores: Any) -> Candidates:
    """Scores float32, or float64 in its range, (n,) or (Q, n), finite or -inf."""
    array = checks.as_array("scores", scores)
    if array.dtype not in (np.float32, np.float64) or array.ndim not in (1, 2):
        raise ValueError(f"scores must be float32 or float64 of 1 or 2 axes, got {array.dtype} of shape {array.shape}")
    if not all_within(array, -checks.FLOAT32_LIMIT, checks.FLOAT32_LIMIT):
        checks.fits_float32("scores", np.where(array == -np.inf, 0, array))
    return Candidates(checks.in_c_order(np.atleast_2d(array), np.float64), array.shape)


def integers_per_candidate(name: str, value: Any, shape: tuple[int, ...], minimum: int, maximum: int) -> Int64:
    """Integers of `shape` within bounds, as (Q, n)."""
    array = checks.integers(name, value, len(shape))
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not all_within(array, minimum, maximum):
        checks.within(name, array, minimum, maximum)
    return np.atleast_2d(array)


def all_within(array: AnyArray, minimum: float, maximum: float) -> bool:
    """False for NaN. Two passes without a temporary array; `checks` says which value is outside."""
    return array.size == 0 or bool(minimum <= array.min() and array.max() <= maximum)


def fractions(name: str, value: Any, num_queries: int) -> Float64:
    """One number or one per query within 0 to 1, as (Q,)."""
    numbers_Q = checks.numbers_per_query(name, value, num_queries)
    if not all_within(numbers_Q, 0, 1):
        refuse(name, "within 0 to 1", numbers_Q, (numbers_Q < 0) | (numbers_Q > 1))
    return numbers_Q


def per_group(name: str, value: Any, num_queries: int, num_groups: int | None = None) -> Float64:
    """Numbers >= 0 of each group, (G,) or (Q, G), as (Q, G)."""
    array = checks.as_array(name, value)
    fits = array.ndim in (1, 2) and array.shape[:-1] in ((), (num_queries,)) and array.dtype.kind in "iuf"
    if not fits or num_groups not in (None, array.shape[-1]):
        wanted = "G" if num_groups is None else num_groups
        raise ValueError(
            f"{name} must be numbers of shape ({wanted},) or ({num_queries}, {wanted}), "
            f"got {array.dtype} of shape {array.shape}"
        )
    checks.finite(name, array)
    refuse(name, "at least 0", array, array < 0)
    return checks.in_c_order(np.broadcast_to(array, (num_queries, array.shape[-1])), np.float64)


def refuse(name: str, rule: str, array: AnyArray, bad: AnyArray) -> None:
    """Raises ValueError naming the first of `array` that is bad."""
    if bad.any():
        raise ValueError(f"{name} must be {rule}, got {array[bad].flat[0]}")
