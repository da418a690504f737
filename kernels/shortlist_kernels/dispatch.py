"""The one place that chooses who computes: the compiled module at its best instruction set, or the NumPy reference.

`SHORTLIST_ISA` in the environment forces a lower one ("reference" included). `SHORTLIST_DEVICE=cuda` asks for a GPU,
which then computes what has kernels for it. The choice is made at import.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from shortlist_kernels import reference
from shortlist_kernels.arrays import (
    Centring,
    ComparedRows,
    Csr,
    EntryPlace,
    Filters,
    Float32,
    Float64,
    GivenRows,
    History,
    Int64,
    Measure,
    Memberships,
    RankedLists,
    RatingPairs,
    SearchCounts,
)
from shortlist_kernels.cpu.backend import CpuBackend, available_isas
from shortlist_kernels.store import ItemStore

CUDA = "cuda"
DEVICES = ("cpu", CUDA)


class Backend(Protocol):
    """What a backend computes; the functions of `reference` define each operation."""

    @property
    def name(self) -> str:
        """Who computes: "cpu", "cuda" or "reference"."""

    @property
    def isa(self) -> str:
        """With which instruction set."""

    def score(self, items: ItemStore, queries_QD: Float32, positions_QM: Int64) -> Float32:
        """The scores of given items."""

    def search(
        self,
        items: ItemStore,
        queries_QD: Float32,
        k: int,
        filters: Filters,
        bias_RN: Float32 | None,
        num_threads: int,
    ) -> tuple[Float32, Int64, SearchCounts]:
        """The k best items of each query."""

    def search_range(
        self,
        items: ItemStore,
        queries_QD: Float32,
        least_Q: Float64,
        filters: Filters,
        bias_RN: Float32 | None,
        num_threads: int,
    ) -> tuple[Int64, Float32, Int64]:
        """The items of each query that reach its least score."""

    def topk(self, scores_RN: Float32 | Float64, k: int, num_threads: int | None) -> tuple[Float32 | Float64, Int64]:
        """The k largest of each row, and their positions."""

    def transpose(self, matrix: Csr) -> Csr:
        """The matrix read the other way."""

    def row_totals(self, matrix: Csr) -> tuple[Float64, Float64]:
        """Sums and sums of squares of the rows."""

    def similar_rows(self, given: GivenRows, compared: ComparedRows, k: int, measure: Measure, num_threads: int) -> Csr:
        """The k rows most alike to each given row."""

    def predict_ratings(
        self,
        given: GivenRows,
        compared: ComparedRows,
        alike: Measure | Csr,
        pairs: RatingPairs,
        centring: Centring,
        k: int,
        min_k: int,
        num_threads: int,
    ) -> Float32:
        """A rating for each pair."""

    def score_neighbours(self, neighbours: Csr, history: History, candidates_QM: Int64) -> Float32:
        """Sums over histories at given columns."""

    def search_neighbours(self, neighbours: Csr, history: History, k: int, filters: Filters) -> tuple[Float32, Int64]:
        """The k columns with the largest sums."""

    def fuse(
        self, lists: RankedLists, k: int, method: str, norm: str, num_threads: int | None
    ) -> tuple[Float32, Int64, EntryPlace | None]:
        """The k best of all lists, or where an entry stands that cannot be taken."""

    def mmr(
        self, vectors_QND: Float32, scores_QN: Float64, k: int, diversity_Q: Float64, num_threads: int | None
    ) -> tuple[Int64, Float64]:
        """Positions taken and relevance lost."""

    def dpp(
        self, vectors_QND: Float32, scores_QN: Float64, weights_QN: Float64, k: int, num_threads: int | None
    ) -> tuple[Int64, Float64]:
        """Positions taken and relevance lost."""

    def calibrate(
        self,
        scores_QN: Float64,
        memberships: Memberships,
        targets_QG: Float64,
        k: int,
        strength_Q: Float64,
        num_threads: int,
    ) -> tuple[Int64, Float64]:
        """Positions in the order of calibration, and relevance lost."""

    def capped(
        self,
        scores_QN: Float64,
        slots_AQN: Int64,
        caps: Int64,
        k: int,
        window: int,
        max_displacement: int,
        num_threads: int,
    ) -> tuple[Int64, Float64]:
        """Positions in the order that caps leave, and relevance lost."""

    def exposure(
        self,
        scores_QN: Float64,
        groups_QN: Int64,
        min_shares_QG: Float64,
        max_shares_QG: Float64,
        k: int,
        num_threads: int,
    ) -> tuple[Int64, Float64]:
        """Positions in the order that keeps shares, and relevance lost."""


def available_backends() -> dict[str, Backend]:
    """Every backend that this machine can run, best first, by the name that `SHORTLIST_ISA` takes."""
    return {**{isa: CpuBackend(isa) for isa in available_isas()}, "reference": reference}


def use_device(device: str | None = None) -> None:
    """Computes on "cpu" or "cuda" from here on; None: as `SHORTLIST_DEVICE` says, on the CPU if it says nothing.

    For "cuda", ImportError says which extra to install, or RuntimeError why no GPU can be used.
    """
    global _active
    device = device or os.environ.get("SHORTLIST_DEVICE") or "cpu"
    if device not in DEVICES:
        raise ValueError(f"SHORTLIST_DEVICE must be one of {', '.join(DEVICES)}, got {device!r}")
    _active = _cuda_backend() if device == CUDA else _on_cpu()


def active() -> Backend:
    """The backend that computes now."""
    return _active


@contextmanager
def using(isa: str) -> Iterator[Backend]:
    """Runs a block on another backend, or on "cuda", for the whole process: for tests and benchmarks."""
    global _active
    before, _active = _active, _named(isa)
    try:
        yield _active
    finally:
        _active = before


def isa_info() -> dict[str, Any]:
    """The backend and instruction set in use, those available, and whether `SHORTLIST_ISA` forced it."""
    return {
        "backend": _active.name,
        "isa": _active.isa,
        "available": list(available_backends()),
        "forced": bool(os.environ.get("SHORTLIST_ISA")),
    }


@functools.cache
def _cuda_backend() -> Backend:
    from shortlist_kernels.cuda.dispatched import CudaBackend  # imports numba

    isas = available_isas()
    isa = os.environ.get("SHORTLIST_ISA") or isas[0]
    if isa not in isas:
        raise ValueError(f"SHORTLIST_ISA must be one of {', '.join(isas)} beside a GPU, got {isa!r}")
    return CudaBackend(isa)


def _named(isa: str) -> Backend:
    if isa == CUDA:
        return _cuda_backend()
    backends = available_backends()
    if isa not in backends:
        raise ValueError(f"SHORTLIST_ISA must be one of {', '.join(backends)} on this machine, got {isa!r}")
    return backends[isa]


def _on_cpu() -> Backend:
    return _named(os.environ.get("SHORTLIST_ISA") or next(iter(available_backends())))


_active = _on_cpu()
