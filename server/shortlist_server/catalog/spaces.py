"""The vector spaces of a package: one index a space and process, mapped from its file.

N items, D dimensions, Q queries, K results.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shortlist.package.arrays import MAX_COORDINATE
from shortlist.package.errors import PackageError
from shortlist.package.files import locate
from shortlist.package.layout import vectors_file
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_kernels import VectorIndex
from shortlist_kernels.index_file import ALIGNMENT

ROWS_AT_ONCE: Final = 1 << 15  # 8 MiB of 64 dimensions: what is looked at once and not kept
METRICS: Final = {number: name.removeprefix("METRIC_").lower() for name, number in manifest.Metric.items() if number}


class Space:
    """The vectors of all items, by row, and how they are compared. Safe to use from several threads.

    Its index and its number of threads are its own: a search asks for neither.
    """

    def __init__(self, name: str, index: VectorIndex, num_threads: int) -> None:
        self.name = name
        self.dim = index.dim
        self.metric = index.metric
        self._index = index
        self._num_threads = num_threads

    def __len__(self) -> int:
        return len(self._index)

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Copies of the vectors of these rows, (n, D)."""
        return self._index.vectors(rows)

    def search(
        self, queries_QD: NDArray[np.float32], k: int, **rules: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k best rows of each query, as `VectorIndex.search` returns them; `rules` are its filters."""
        return self._index.search(queries_QD, k, num_threads=self._num_threads, **rules)

    def score(self, queries_QD: NDArray[np.float32], rows_QM: NDArray[np.int64]) -> NDArray[np.float32]:
        """The score that `search` gives to each row; -inf where it is -1."""
        return self._index.score(queries_QD, rows_QM)

    def nearest_by_cosine(
        self, row: int, mask_N: NDArray[np.bool_], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k allowed items whose vectors have the largest cosine with that of one item: exact, best first.

        One pass in float32 keeps whatever its rounding may have put below the k-th place; those are compared in
        float64. Ties by row. The cosine of a vector of zeros is 0.
        """
        allowed_rows = np.flatnonzero(mask_N)
        unit_D = _unit(self.vectors(np.array([row])).astype(np.float64))[0]
        cosines = np.concatenate([np.empty(0, np.float32), *self._cosines(unit_D.astype(np.float32), allowed_rows)])
        if len(cosines) > k > 0:
            # The sum of D products in float32 is off by at most D * 2**-24 of the product of the lengths, twice here.
            margin = 4.0 * (self.dim + 8) * 2.0**-24
            allowed_rows = allowed_rows[cosines >= np.partition(cosines, len(cosines) - k)[len(cosines) - k] - margin]
        exact = _unit(self.vectors(allowed_rows).astype(np.float64)) @ unit_D
        best = np.lexsort((allowed_rows, -exact))[:k]
        return exact[best].astype(np.float32), allowed_rows[best].astype(np.int64)

    def _cosines(self, unit_D: NDArray[np.float32], rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            vectors = self.vectors(rows[start : start + ROWS_AT_ONCE])
            lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
            yield np.divide(vectors @ unit_D, lengths, out=np.zeros(len(vectors), np.float32), where=lengths > 0)


def open_space(root: Path, entry: manifest.Space, num_items: int, num_threads: int) -> Space:
    """Map the vectors of a space. PackageError unless they are as the manifest says, one an item, all usable."""
    file = vectors_file(entry.name)
    try:
        index = VectorIndex.load(locate(root, file))
    except (ValueError, OSError, MemoryError) as error:
        raise PackageError(file, str(error).rpartition(f"{file}: ")[2]) from None
    if index.metric != METRICS[entry.metric] or index.dim != entry.dimensions:
        found = f"{index.metric}, {index.dim} dimensions"
        raise PackageError(file, f"is {found}, the manifest says {METRICS[entry.metric]}, {entry.dimensions}")
    if len(index) != num_items or not (index.ids == np.arange(num_items)).all():
        raise PackageError(file, f"holds {len(index)} vectors, not those of rows 0..{num_items - 1} in order")
    _check_vectors(root, file, index)
    return Space(entry.name, index, num_threads)


def _check_vectors(root: Path, file: str, index: VectorIndex) -> None:
    """Read, not asked of the index: pages of its mapping that are touched here would count as resident for ever.

    The vectors of all items are the first thing after the header of the file, as `index_file` has it.
    """
    with locate(root, file).open("rb") as stream:
        stream.seek(ALIGNMENT)
        for start in range(0, len(index), ROWS_AT_ONCE):
            num_rows = min(ROWS_AT_ONCE, len(index) - start)
            vectors = np.fromfile(stream, "<f4", num_rows * index.dim).reshape(num_rows, index.dim)
            wrong = ~(np.abs(vectors) <= MAX_COORDINATE)
            if wrong.any():
                place, dimension = np.argwhere(wrong)[0].tolist()
                value = f"{vectors[place, dimension]:g}, not within +-{MAX_COORDINATE:g}"
                raise PackageError(file, f"the vector of row {start + place} holds {value}")


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0.0))
