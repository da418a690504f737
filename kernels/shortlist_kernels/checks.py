"""Checks of what callers hand in: each returns the form that backends take or raises ValueError naming the argument."""

import math
import operator
from typing import Any, SupportsFloat

import numpy as np

from shortlist_kernels.arrays import AnyArray, Csr, Float32, Float64, History, Int32, Int64
from shortlist_kernels.cpu import _cpu

INT32_LIMIT = 2**31 - 1
MEDIUM = 1 << 12  # values; NumPy's sum takes three times as long as a check in C
LARGE = 1 << 17  # values; a check of so many is worth several threads
FLOAT32_LIMIT = float(np.finfo(np.float32).max)
FLOAT64_LIMIT = float(np.finfo(np.float64).max)


def whole_number(name: str, value: object, minimum: int, maximum: int = INT32_LIMIT) -> int:
    """`value` as an int from `minimum` to `maximum`."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # a wrong type is what we look for
    except TypeError:
        raise ValueError(f"{name} must be an integer, got {value!r}") from None
    if isinstance(value, (bool, np.bool_)) or not minimum <= number <= maximum:
        end = "2**31 - 1" if maximum == INT32_LIMIT else maximum
        raise ValueError(f"{name} must be an integer from {minimum} to {end}, got {value!r}")
    return number


def finite_number(name: str, value: SupportsFloat, minimum: float, maximum: float = math.inf) -> float:
    """`value` as a float within [minimum, maximum]."""
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(number) or not minimum <= number <= maximum:
        bounds = f">= {minimum:g}" if math.isinf(maximum) else f"within {minimum:g} to {maximum:g}"
        raise ValueError(f"{name} must be {bounds}, got {value!r}")
    return number


def one_of(name: str, value: str, supported: tuple[str, ...]) -> str:
    """`value`, if it is one of `supported`."""
    if not isinstance(value, str) or value not in supported:
        raise ValueError(f"{name} must be one of {', '.join(supported)}, got {value!r}")
    return value


def as_array(name: str, value: Any) -> AnyArray:
    """`value` as an array of any type and shape."""
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array, got a ragged {type(value).__name__}") from None


def integers(name: str, value: Any, ndim: int) -> Int64:
    """`value` as contiguous int64 of `ndim` axes; any integer type that fits is taken, an empty list too."""
    array = as_array(name, value)
    if array.size == 0 and array.dtype == np.float64 and array.ndim == ndim:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.dtype == np.uint64:
        raise ValueError(f"{name} must be int64, got {array.dtype}")
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
    return in_c_order(array, np.int64)


def float32s(name: str, value: Any, shape: tuple[int | str, ...]) -> Float32:
    """`value` as contiguous, finite float32 of `shape`; a letter in `shape` stands for any length."""
    array = float32_form(name, value, shape)
    finite(name, array)
    return in_c_order(array, np.float32)


def float32_form(name: str, value: Any, shape: tuple[int | str, ...]) -> AnyArray:
    """The type and shape of `float32s`, whatever the values."""
    array = as_array(name, value)
    fits = array.ndim == len(shape) and all(
        isinstance(want, str) or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.float32 or not fits:
        wanted = ", ".join(str(length) for length in shape) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must be float32 of shape ({wanted}), got {array.dtype} of shape {array.shape}")
    return array


def numbers_per_query(name: str, value: Any, num_queries: int) -> Float64:
    """`value`, one number or one per query, as contiguous float64 (Q,); infinite ones are taken."""
    array = as_array(name, value)
    if array.dtype.kind not in "iuf" or array.shape not in ((), (num_queries,)):
        got = f"{array.dtype} of shape {array.shape}" if array.ndim else repr(value)
        raise ValueError(f"{name} must be a number or {num_queries} numbers, got {got}")
    numbers = np.empty(num_queries)
    numbers[:] = array
    _refuse_first(name, "not be NaN", numbers, np.isnan(numbers))
    return numbers


def finite(name: str, array: AnyArray) -> None:
    """Raises ValueError naming the first value that is NaN or infinite."""
    if not _is_surely_finite(array):
        _refuse_first(name, "be finite", array, ~np.isfinite(array))


def fits_float32(name: str, array: AnyArray) -> None:
    """Raises ValueError naming the first value that is not finite in float32; float64 sums of others never overflow."""
    finite(name, array)
    _refuse_first(name, "fit float32", array, np.abs(array) > FLOAT32_LIMIT)


def row_pointers(name: str, value: Any, num_values: int, num_rows: int | None = None) -> Int64:
    """`value` as the indptr of compressed rows over `num_values` values: 0 first, never falling, `num_values` last."""
    indptr = integers(name, value, ndim=1)
    if num_rows is not None and indptr.size != num_rows + 1:
        raise ValueError(f"{name} must have {num_rows + 1} entries, got {indptr.size}")
    if indptr.size == 0 or indptr[0] != 0 or indptr[-1] != num_values or bool((np.diff(indptr) < 0).any()):
        raise ValueError(f"{name} must rise from 0 to {num_values} (the number of values), got {_brief(indptr)}")
    return indptr


def within(name: str, values: Int64, minimum: int, maximum: int) -> None:
    """Raises ValueError naming the first of `values` outside [minimum, maximum]."""
    bad = (values < minimum) | (values > maximum)
    if bad.any():
        raise ValueError(f"{name} must be within {minimum} to {maximum}, got {values[bad][0]}")


def unordered_matrix(name: str, value: Any) -> Csr:
    """A Csr, scipy csr_matrix or the like, checked through; the indices of a row in any order, even twice."""
    matrix = sparse_matrix_form(name, value)
    row_pointers(f"{name}.indptr", matrix.indptr, matrix.indices.size, matrix.shape[0])
    within(f"{name}.indices", matrix.indices.astype(np.int64), 0, matrix.shape[1] - 1)
    finite(f"{name}.data", matrix.data)
    return matrix


def sparse_matrix(name: str, value: Any) -> Csr:
    """As `unordered_matrix`, with the indices of each row distinct and in ascending order."""
    matrix = unordered_matrix(name, value)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    if not _rows_ascend(rows, matrix.indices):
        order = np.lexsort((matrix.indices, rows))
        matrix = matrix._replace(indices=matrix.indices[order], data=matrix.data[order])
        if not _rows_ascend(rows, matrix.indices):
            raise ValueError(f"{name}.indices must be distinct within a row")
    return matrix


def sparse_matrix_form(name: str, value: Any) -> Csr:
    """The types and lengths of a sparse matrix only; what it holds is checked by backends as they read it."""
    try:
        indptr, indices, data, shape = value.indptr, value.indices, value.data, value.shape
    except AttributeError:
        raise ValueError(f"{name} must have indptr, indices, data and shape, got {type(value).__name__}") from None
    if not isinstance(shape, tuple) or len(shape) != 2:
        raise ValueError(f"{name}.shape must have 2 entries, got {shape!r}")
    num_rows, num_columns = (whole_number(f"{name}.shape", length, 0) for length in shape)
    indptr = integers(f"{name}.indptr", indptr, ndim=1)
    indices = _int32s(f"{name}.indices", indices)
    data = as_array(f"{name}.data", data)
    if data.dtype.kind not in "biuf" or data.shape != indices.shape:
        raise ValueError(f"{name}.data must be {indices.size} numbers, got {data.dtype} of shape {data.shape}")
    if indptr.size != num_rows + 1:
        raise ValueError(f"{name}.indptr must have {num_rows + 1} entries, got {indptr.size}")
    with np.errstate(over="ignore"):
        return Csr(indptr, indices, in_c_order(data, np.float32), (num_rows, num_columns))


def history(value: Any, num_rows: int) -> History:
    """The (indptr, rows, weights) of a query batch over a matrix of `num_rows` rows."""
    if not isinstance(value, tuple) or len(value) != 3:
        raise ValueError(f"history must be a tuple (indptr, rows, weights), got {type(value).__name__}")
    rows = integers("history rows", value[1], ndim=1)
    within("history rows", rows, 0, num_rows - 1)
    weights = float32s("history weights", value[2], (rows.size,))
    return History(row_pointers("history indptr", value[0], rows.size), rows.astype(np.int32), weights)


def _is_surely_finite(array: AnyArray) -> bool:
    """False if any value is NaN or infinite, or if the sum overflows. One pass without a temporary array."""
    if array.size >= MEDIUM and array.dtype == np.float32 and array.flags.c_contiguous and array.flags.aligned:
        return _cpu.all_finite(array.reshape(-1), _cpu.available_cores() if array.size >= LARGE else 1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()))


def in_c_order(array: AnyArray, dtype: Any) -> AnyArray:
    """Contiguous and aligned, as C reads it; the same array where it is."""
    return np.require(array, dtype, ("C", "A"))


def _refuse_first(name: str, rule: str, array: AnyArray, bad: AnyArray) -> None:
    if bad.any():
        place = tuple(int(axis[0]) for axis in np.nonzero(bad))
        raise ValueError(f"{name} must {rule}, got {array[place]} at position {place}")


def _int32s(name: str, value: Any) -> Int32:
    if isinstance(value, np.ndarray) and value.dtype == np.int32 and value.ndim == 1:
        return in_c_order(value, np.int32)
    wide = integers(name, value, ndim=1)
    within(name, wide, -INT32_LIMIT, INT32_LIMIT)
    return wide.astype(np.int32)


def _rows_ascend(rows: AnyArray, indices: Int32) -> bool:
    return bool(((np.diff(indices) > 0) | (np.diff(rows) > 0)).all())


def _brief(array: Int64) -> str:
    return str(array.tolist()) if array.size <= 8 else f"{array[:4].tolist()} ... {array[-2:].tolist()}"
