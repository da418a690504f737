"""Selection of the largest values on the device: `topk`."""

import math
from typing import Any

import numpy as np

from shortlist_kernels import checks
from shortlist_kernels.cuda import backend, interop
from shortlist_kernels.cuda.backend import DeviceArray, num_blocks
from shortlist_kernels.cuda.kernels.selecting import make_keys, select_best, write_values

TYPES = (np.dtype(np.float32), np.dtype(np.float64))
LEAST_PART = 1 << 14  # entries that a block takes
PARTS_PER_K = 8


def topk(scores: Any, k: int) -> tuple[Any, Any]:
    """`shortlist_kernels.topk` on the device, with the same values and positions; results lie where the scores do.

    Raises ValueError for what that refuses, RuntimeError where no GPU can be used.
    """
    backend.require_gpu()
    k = checks.whole_number("k", k, minimum=0)
    array = interop.numbers("scores", scores)
    shape = interop.shape_of("scores", scores)
    if array.dtype not in TYPES or not shape:
        raise ValueError(f"scores must be float32 or float64 of one axis or more, got {array.dtype} of shape {shape}")
    *leading, num_columns = shape
    num_rows = math.prod(leading)
    rows_RN = array.reshape((max(num_rows, 1), max(num_columns, 1)))
    values_RK, positions_RK = largest(rows_RN, num_rows, num_columns, k)
    to_host = not interop.is_on_device(scores)
    return tuple(interop.given_back(part, (*leading, k), to_host) for part in (values_RK, positions_RK))


def largest(rows_RN: DeviceArray, num_rows: int, num_columns: int, k: int) -> tuple[DeviceArray, DeviceArray]:
    """See `reference.topk`."""
    values = backend.empty((num_rows, k), rows_RN.dtype.type)
    positions = backend.empty((num_rows, k), np.int64)
    for part in backend.row_parts(num_rows if k else 0):
        _select(rows_RN[part], part.stop - part.start, num_columns, k, values[part], positions[part])
    return values, positions


def _select(
    rows: DeviceArray, num_rows: int, num_columns: int, k: int, values: DeviceArray, positions: DeviceArray
) -> None:
    """Parts of rows are cut to k entries each, until a row is one part."""
    major, minor = (backend.empty((num_rows, num_columns), np.int64) for _ in range(2))
    make_keys.launch((num_blocks(num_columns), num_rows), rows, num_columns, major, minor)
    floors = backend.zeros(num_rows, np.float64)
    count, wanted = num_columns, min(k, num_columns)
    num_parts = 0
    while wanted and num_parts != 1:
        part_length = max(LEAST_PART, PARTS_PER_K * wanted)
        num_parts = -(-count // part_length)
        counts = backend.upload(np.full(num_rows, count, np.int32))
        best_major, best_minor = (backend.empty((num_rows, num_parts * wanted), np.int64) for _ in range(2))
        num_found = backend.zeros((num_rows, num_parts), np.int32)
        arguments = (counts, part_length, wanted, best_major, best_minor, num_found, floors)
        select_best.launch((num_parts, num_rows), major, minor, *arguments)
        major, minor = best_major, best_minor
        count = (num_parts - 1) * wanted + min(wanted, count - (num_parts - 1) * part_length)
    counts = backend.upload(np.full(num_rows, count, np.int32))
    write_values.launch((num_blocks(k), num_rows), major, minor, counts, k, rows, values, positions)
