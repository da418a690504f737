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
# Below this squared length, squares of single coordinates may be too small for float32.
LEAST_SQUARE: Final = 1e-25
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

        One pass in float32 keeps whatever may be among them; that is compared in float64. Ties by row. The cosine of a
        vector of zeros is 0.
        """
        rows = np.flatnonzero(mask_N)
        vector_D = self.vectors(np.array([row]))[0].astype(np.float64)
        unit_D = vector_D / (np.linalg.norm(vector_D) or 1.0)
        if len(rows) > k > 0:
            rows = rows[self._may_be_nearest(unit_D.astype(np.float32), rows, k)]
        cosines = self._cosines(unit_D, rows)
        best = np.lexsort((rows, -cosines))[:k]
        return cosines[best].astype(np.float32), rows[best].astype(np.int64)

    def _may_be_nearest(self, unit_D: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
        """True for the rows that may be among the k best, whatever float32 rounds."""
        cosines = np.full(len(rows), -np.inf, np.float32)
        unclear = np.zeros(len(rows), np.bool_)
        for piece in _pieces(len(rows)):
            vectors = self.vectors(rows[piece])
            squares = np.einsum("ij,ij->i", vectors, vectors)
            unclear[piece] = squares < LEAST_SQUARE
            np.divide(vectors @ unit_D, np.sqrt(squares), out=cosines[piece], where=~unclear[piece])
        # The sum of D products in float32 is off by at most D * 2**-24 of the product of the lengths, twice here.
        margin = 4.0 * (self.dim + 8) * 2.0**-24
        least = np.partition(cosines, len(cosines) - k)[len(cosines) - k] - margin
        return np.asarray(unclear | (cosines >= least))

    def _cosines(self, unit_D: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The cosines of some rows in float64; equal vectors have equal bits."""
        cosines = np.zeros(len(rows), np.float64)
        for piece in _pieces(len(rows)):
            vectors = self.vectors(rows[piece]).astype(np.float64)
            lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
            # Not a matrix product, which may round a row by where it stands: ties would not stay ties.
            products = np.einsum("ij,j->i", vectors, unit_D)
            np.divide(products, lengths, out=cosines[piece], where=lengths > 0.0)
        return cosines


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


def _pieces(num_rows: int) -> Iterator[slice]:
    """What is looked at one after the other, in order."""
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, num_rows, ROWS_AT_ONCE))
