"""Selection of the largest values: `topk`."""

import math
from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import AnyArray, Int64

TYPES = (np.dtype(np.float32), np.dtype(np.float64))


def topk(scores: Any, k: int, num_threads: int | None = None) -> tuple[AnyArray, Int64]:
    """The k largest values along the last axis, and their positions: two arrays of shape (..., k).

    `scores` is float32 or float64. Order: value descending, equal values by position ascending, NaN after all numbers.
    Where k exceeds the length of the axis, the rest is value -inf and position -1.
    num_threads: how many threads share the work; None means one, and for large arrays the cores of the process.
    """
    array = checks.as_array("scores", scores)
    if array.dtype not in TYPES or array.ndim == 0:
        raise ValueError(
            f"scores must be float32 or float64 of one axis or more, got {array.dtype} of shape {array.shape}"
        )
    k = checks.whole_number("k", k, minimum=0)
    if num_threads is not None:
        num_threads = checks.whole_number("num_threads", num_threads, minimum=1)
    *leading, num_columns = array.shape
    rows_RN = checks.in_c_order(array, array.dtype).reshape(math.prod(leading), num_columns)
    values_RK, positions_RK = dispatch.active().topk(rows_RN, k, num_threads)
    shape = (*leading, k)
    return values_RK.reshape(shape), positions_RK.reshape(shape)
