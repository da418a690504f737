"""Arrays of a package as .npy files: mapped read-only, so that processes share them, and checked in bounded memory.

Checks read a file in pieces instead of touching its mapping: what nobody asks for later never counts as resident.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

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

    PackageError unless the file holds exactly this type and shape, in C order, and nothing else.
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
    return np.asarray(array)


def pieces(root: Path, path: str, array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The numbers of an opened array from its file, one axis, in order, at most NUMBERS_AT_ONCE at a time."""
    if not array.size:
        return
    file = locate(root, path)
    with file.open("rb") as stream:
        stream.seek(file.stat().st_size - array.nbytes)
        left = array.size
        while left:
            piece = np.fromfile(stream, array.dtype, min(left, NUMBERS_AT_ONCE))
            if not piece.size:
                raise PackageError(path, "became shorter while it was read")
            left -= piece.size
            yield piece


def check_numbers(root: Path, path: str, array: NDArray[Any], limit: float, *, nan: bool = False) -> None:
    """PackageError unless every number is finite (or NaN, where `nan` allows it) and at most `limit` in size."""
    start = 0
    for piece in pieces(root, path, array):
        wrong = ~(np.abs(piece) <= limit)
        if nan:
            wrong &= ~np.isnan(piece)
        if wrong.any():
            place = np.unravel_index(start + int(wrong.argmax()), array.shape)
            value = piece[wrong.argmax()]
            raise PackageError(path, f"entry {[int(axis) for axis in place]} is {value:g}, not within +-{limit:g}")
        start += piece.size


def open_sparse(root: Path, folder: str, num_rows: int | None, num_columns: int, *, with_data: bool = True) -> Sparse:
    """A matrix in compressed rows, mapped; PackageError unless it is sound. Without data, data is an empty array.

    num_rows None takes any number of rows. An index may stand in a row once or often; what it means, the caller knows.
    """
    indptr_file, indices_file, data_file = sparse_files(folder)
    indptr = open_array(root, indptr_file, np.int64, (None if num_rows is None else num_rows + 1,))
    indices = open_array(root, indices_file, np.int32, (None,))
    data = open_array(root, data_file, np.float32, (len(indices),)) if with_data else np.empty(0, np.float32)
    if not len(indptr):
        raise PackageError(indptr_file, "has no entries, not even the 0 of a matrix without rows")
    check_offsets(root, indptr_file, indptr, len(indices))
    for piece in pieces(root, indices_file, indices):
        wrong = (piece < 0) | (piece >= num_columns)
        if wrong.any():
            raise PackageError(indices_file, f"{piece[wrong.argmax()]} is not in 0..{num_columns - 1}")
    check_numbers(root, data_file, data, MAX_SCORE)
    return Sparse(indptr, indices, data)


def check_offsets(root: Path, path: str, offsets: NDArray[np.int64], end: int) -> None:
    """PackageError unless the offsets rise, or stay, from 0 to `end`."""
    before = 0
    if offsets[0] != 0 or offsets[-1] != end:
        raise PackageError(path, f"goes from {offsets[0]} to {offsets[-1]}, not from 0 to {end}")
    for piece in pieces(root, path, offsets):
        # Compared, not subtracted: a difference of two int64 can wrap round and look sound.
        if piece[0] < before or (piece[1:] < piece[:-1]).any():
            raise PackageError(path, "does not rise")
        before = int(piece[-1])
