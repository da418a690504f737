"""Selection of the largest values: `topk`."""

from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import AnyArray, Int64


def topk(scores: Any, k: int) -> tuple[AnyArray, Int64]:
    """The k largest values along the last axis, and their positions: two arrays of shape (..., k).

    `scores` is float32 or float64. Order: value descending, equal values by position ascending, NaN after all numbers.
    Where k exceeds the length of the axis, the rest is value -inf and position -1.
    """
    array = checks.as_array("scores", scores)
    if array.dtype not in (np.float32, np.float64) or array.ndim == 0:
        raise ValueError(
            f"scores must be float32 or float64 of one axis or more, got {array.dtype} of shape {array.shape}"
        )
    k = checks.whole_number("k", k, minimum=0)
    num_rows = int(np.prod(array.shape[:-1]))
    rows_RN = np.ascontiguousarray(array.reshape(num_rows, array.shape[-1]))
    positions_RK = dispatch.active().topk(rows_RN, k)
    values_RK = np.full(positions_RK.shape, -np.inf, array.dtype)
    found = min(k, rows_RN.shape[1])
    values_RK[:, :found] = np.take_along_axis(rows_RN, positions_RK[:, :found], axis=1)
    shape = (*array.shape[:-1], k)
    return values_RK.reshape(shape), positions_RK.reshape(shape)
