"""What is searched: sizes of catalogues and numbers of queries at once. All rows are random directions of length 1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One catalogue and how it is asked."""

    num_items: int
    dim: int
    queries_at_once: tuple[int, ...] = (1, 32, 256, 1024)
    k: int = 100

    @property
    def name(self) -> str:
        """As `--case` takes it: 1Mx128."""
        return f"{_short(self.num_items)}x{self.dim}"

    @property
    def code_bytes(self) -> int:
        """Size of the catalogue as int8 codes, the least that an exact scan of codes has to read."""
        return self.num_items * self.dim


CASES = (
    Case(num_items=1_000_000, dim=128),
    Case(num_items=100_000, dim=64),
    Case(num_items=1_000_000, dim=64),
    Case(num_items=200_000, dim=768),
)
QUICK = Case(num_items=20_000, dim=64, queries_at_once=(1, 32))


def unit_rows(num_rows: int, dim: int, seed: int) -> Float32:
    """float32 (num_rows, dim): Gaussian rows divided by their lengths."""
    rows = np.random.default_rng(seed).standard_normal((num_rows, dim), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _short(count: int) -> str:
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if count % unit == 0:
            return f"{count // unit}{name}"
    return str(count)
