"""Arrays of a package as .npy files: mapped read-only, so that processes share them, and checked in bounded memory.

Checks read a file in pieces instead of touching its mapping: what nobody asks for later never counts as resident.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shortlist.package.errors import PackageError
from shortlist.package.files import locate
from shortlist.package.layout import sparse_files

NUMBERS_AT_ONCE: Final = 1 << 20
MAX_SCORE: Final = 1e30
"""Of a score or a matrix entry: the sum over the longest history, 10,000 items, still fits float32."""
MAX_COORDINATE: Final = 1e15
"""Of a vector: the product of two vectors of 65,536 dimensions still fits float32."""


class Sparse(NamedTuple):
    """Compressed rows: those of row r lie from indptr[r] to indptr[r + 1] in indices and data."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]


def open_array(root: Path, path: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The array of a .npy file, mapped read-only; None in `shape` takes any length.

    PackageError unless the file holds exactly this type and shape, in C order, and nothing else. Of a bool, every byte
    is read: NumPy computes nonsense with any but 0 and 1.
    """
    file = locate(root, path)
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(file, mode="r")
    except Exception as error:  # noqa: BLE001 - a broken header raises whatever the tokenizer, mmap or NumPy hit first
        raise PackageError(path, f"not a .npy array: {error}") from None
    wanted = [size if size is not None else "any" for size in shape]
    fits = array.ndim == len(shape) and all(
        size in (None, found) for size, found in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.dtype(dtype) or not fits:
        raise PackageError(path, f"is {array.dtype} {list(array.shape)}, wanted {np.dtype(dtype)} {wanted}")
    if not array.flags.c_contiguous:
        raise PackageError(path, "is in Fortran order, wanted C order")
    if getattr(array, "offset", 0) + array.nbytes != file.stat().st_size:
        raise PackageError(path, f"has {file.stat().st_size} bytes, its header speaks of {array.nbytes}")
    array = np.asarray(array)
    if array.dtype == np.bool_:
        _refuse_where(root, path, array.view(np.uint8), lambda piece: piece > 1, "is not 0 or 1")
    return array


def pieces(root: Path, path: str, array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The numbers of an opened array from its file, one axis, in order, at most NUMBERS_AT_ONCE at a time."""
    if not array.size:
        return
    with numbers_of(root, path, array) as file:
        for start in range(0, array.size, NUMBERS_AT_ONCE):
            yield next_numbers(file, path, array, min(array.size - start, NUMBERS_AT_ONCE))


@contextmanager
def numbers_of(root: Path, path: str, array: NDArray[Any]) -> Iterator[BinaryIO]:
    """The file of an opened array, where its numbers begin."""
    file = locate(root, path)
    with file.open("rb") as stream:
        stream.seek(file.stat().st_size - array.nbytes)
        yield stream


def next_numbers(file: BinaryIO, path: str, array: NDArray[Any], count: int) -> NDArray[Any]:
    """The next so many numbers of an opened array; PackageError when the file has become shorter."""
    numbers = np.fromfile(file, array.dtype, count)
    if numbers.size < count:
        raise PackageError(path, "became shorter while it was read")
    return numbers


def check_numbers(root: Path, path: str, array: NDArray[Any], limit: float, *, nan: bool = False) -> None:
    """PackageError unless every number is finite (or NaN, where `nan` allows it) and at most `limit` in size."""

    def is_wrong(piece: NDArray[Any]) -> NDArray[np.bool_]:
        within: NDArray[np.bool_] = np.abs(piece) <= limit
        return ~(within | np.isnan(piece)) if nan else ~within

    _refuse_where(root, path, array, is_wrong, f"is not within +-{limit:g}")


def _refuse_where(
    root: Path, path: str, array: NDArray[Any], is_wrong: Callable[[NDArray[Any]], NDArray[np.bool_]], rule: str
) -> None:
    """PackageError that names the first wrong entry, its value and the rule that it breaks."""
    start = 0
    for piece in pieces(root, path, array):
        wrong = is_wrong(piece)
        if wrong.any():
            first = int(wrong.argmax())
            place = [int(axis) for axis in np.unravel_index(start + first, array.shape)]
            raise PackageError(path, f"entry {place}: {piece[first]!s} {rule}")
        start += piece.size


def open_sparse(root: Path, folder: str, num_rows: int | None, num_columns: int, *, with_data: bool = True) -> Sparse:
    """A matrix in compressed rows, mapped; PackageError unless it is sound. Without data, data is an empty array.

    num_rows None takes any number of rows. An index may stand in a row once or often; what it means, the caller knows.
    """
    indptr_file, indices_file, data_file = sparse_files(folder)
    indptr = open_array(root, indptr_file, np.int64, (None if num_rows is None else num_rows + 1,))
    indices = open_array(root, indices_file, np.int32, (None,))
    data = open_array(root, data_file, np.float32, (len(indices),)) if with_data else np.empty(0, np.float32)
    check_offsets(root, indptr_file, indptr, len(indices))
    is_outside = f"is not in 0..{num_columns - 1}"
    _refuse_where(root, indices_file, indices, lambda piece: (piece < 0) | (piece >= num_columns), is_outside)
    check_numbers(root, data_file, data, MAX_SCORE)
    return Sparse(indptr, indices, data)


def check_offsets(root: Path, path: str, offsets: NDArray[np.int64], end: int) -> None:
    """PackageError unless the offsets rise, or stay, from 0 to `end`."""
    if not offsets.size:
        raise PackageError(path, "has no entries, not even the 0 before the first row")
    if offsets[0] != 0 or offsets[-1] != end:
        raise PackageError(path, f"goes from {offsets[0]} to {offsets[-1]}, not from 0 to {end}")
    start, before = 0, 0
    for piece in pieces(root, path, offsets):
        # Compared, not subtracted: a difference of two int64 can wrap round and look sound.
        falls = np.concatenate(([piece[0] < before], piece[1:] < piece[:-1]))
        if falls.any():
            first = int(falls.argmax())
            raise PackageError(path, f"entry [{start + first}]: {piece[first]} is less than the one before")
        start, before = start + piece.size, int(piece[-1])
