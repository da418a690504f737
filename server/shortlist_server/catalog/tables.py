"""The number tables of a package: item vectors and item neighbours, checked before any kernel reads them.

N items, D dimensions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import Csr
from shortlist_server.errors import PackageError

_ROWS_PER_CHECK: Final = 65_536


def read_vectors(file: Path, name: str, num_items: int) -> NDArray[np.float32]:
    """The vectors (N, D), mapped read-only; PackageError unless float32, C order, one row an item, all finite."""
    try:
        vectors_ND = np.lib.format.open_memmap(file, mode="r")
    except Exception as error:  # noqa: BLE001 - a broken header raises whatever the tokenizer, mmap or NumPy hit first
        raise PackageError(name, f"not a .npy array: {error}") from None
    shape = vectors_ND.shape
    if vectors_ND.dtype != np.float32 or len(shape) != 2 or shape[0] != num_items or shape[1] == 0:
        raise PackageError(name, f"is {vectors_ND.dtype} {list(shape)}, wanted float32 [{num_items}, dimensions]")
    if not vectors_ND.flags.c_contiguous:
        raise PackageError(name, "is in Fortran order, wanted C order")
    for start in range(0, num_items, _ROWS_PER_CHECK):
        broken = ~np.isfinite(vectors_ND[start : start + _ROWS_PER_CHECK]).all(axis=1)
        if broken.any():
            raise PackageError(name, f"row {start + int(broken.argmax())} holds NaN or infinity")
    return vectors_ND


def read_neighbours(file: Path, name: str, num_items: int) -> Csr:
    """The neighbours of every item, read-only; PackageError unless it is a sound CSR matrix N x N without self."""
    arrays = _read_archive(file, name)
    for key, dtype in (("indptr", np.int64), ("indices", np.int32), ("data", np.float32)):
        array = arrays.get(key)
        if array is None or array.dtype != dtype or array.ndim != 1:
            found = "missing" if array is None else f"{array.dtype} {list(array.shape)}"
            raise PackageError(name, f"{key} is {found}, wanted one axis of {np.dtype(dtype)}")
        array.setflags(write=False)
    neighbours = Csr(arrays["indptr"], arrays["indices"], arrays["data"], (num_items, num_items))
    fault = _csr_fault(neighbours, num_items)
    if fault:
        raise PackageError(name, fault)
    return neighbours


def _read_archive(file: Path, name: str) -> dict[str, NDArray[Any]]:
    try:
        # Opened here, because NumPy leaves a broken archive open.
        with file.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise PackageError(name, "not a .npz archive but a single array")
            with archive:
                return {key: archive[key] for key in archive.files}
    except PackageError:
        raise
    except Exception as error:  # noqa: BLE001 - a broken zip raises whatever zlib, zipfile or NumPy hit first
        raise PackageError(name, f"not a .npz archive: {error}") from None


def _csr_fault(neighbours: Csr, num_items: int) -> str | None:
    indptr, indices, data = neighbours.indptr, neighbours.indices, neighbours.data
    if len(indptr) != num_items + 1:
        return f"indptr has {len(indptr)} entries, wanted {num_items + 1}, one more than items"
    # Compared, not subtracted: a difference of two int64 can wrap round and look sound.
    if indptr[0] != 0 or indptr[-1] != len(indices) or (indptr[1:] < indptr[:-1]).any():
        return f"indptr does not rise from 0 to {len(indices)}"
    if len(data) != len(indices):
        return f"data has {len(data)} entries for {len(indices)} indices"
    if len(indices) and (indices.min() < 0 or indices.max() >= num_items):
        return f"indices leave 0..{num_items - 1}"
    if not np.isfinite(data).all():
        return "data holds NaN or infinity"
    rows = np.repeat(np.arange(num_items, dtype=np.int32), np.diff(indptr))
    selves = rows == indices
    return f"item row {rows[selves.argmax()]} is its own neighbour" if selves.any() else None
