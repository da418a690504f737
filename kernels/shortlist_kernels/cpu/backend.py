"""`dispatch.Backend` in C: makes the outputs, filled with their padding, and calls `_cpu`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist_kernels.arrays import (
    FUSION_METHODS,
    FUSION_NORMS,
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
    PositionLists,
    RankedLists,
    RatingPairs,
    SearchCounts,
    joined,
)
from shortlist_kernels.cpu import _cpu
from shortlist_kernels.reference.scores import to_float32
from shortlist_kernels.store import ItemStore

_PLACES = {isa: place for place, (isa, _) in enumerate(_cpu.simd_names())}


def available_isas() -> list[str]:
    """The instruction sets that this machine can run, best first."""
    return [isa for isa, is_supported in _cpu.simd_names() if is_supported]


@dataclass(frozen=True, slots=True)
class CpuBackend:
    """The compiled kernels on one instruction set."""

    isa: str

    @property
    def name(self) -> str:
        """The name of this backend."""
        return "cpu"

    def score(self, items: ItemStore, queries_QD: Float32, positions_QM: Int64) -> Float32:
        """See `reference.score`."""
        scores_QM = np.full(positions_QM.shape, -np.inf, np.float32)
        _cpu.score(self._simd, items, queries_QD, positions_QM, scores_QM)
        return scores_QM

    def search(
        self,
        items: ItemStore,
        queries_QD: Float32,
        k: int,
        filters: Filters,
        bias_RN: Float32 | None,
        num_threads: int,
    ) -> tuple[Float32, Int64, SearchCounts]:
        """See `reference.search`."""
        num_queries = len(queries_QD)
        scores_QK, ids_QK = _padded(num_queries, k)
        rescored, exhaustive = _cpu.search(
            self._simd,
            items,
            queries_QD,
            filters.mask_bits,
            *_lists(filters.allow),
            *_lists(filters.exclude),
            bias_RN,
            num_threads,
            scores_QK,
            ids_QK,
        )
        return scores_QK, ids_QK, SearchCounts(num_queries, (num_queries - exhaustive) * k, rescored, exhaustive)

    def search_range(
        self,
        items: ItemStore,
        queries_QD: Float32,
        least_Q: Float64,
        filters: Filters,
        bias_RN: Float32 | None,
        num_threads: int,
    ) -> tuple[Int64, Float32, Int64]:
        """See `reference.search_range`."""
        answers = _cpu.search_range(
            self._simd,
            items,
            queries_QD,
            least_Q,
            filters.mask_bits,
            *_lists(filters.allow),
            *_lists(filters.exclude),
            bias_RN,
            num_threads,
            lambda count: (np.empty(count, np.float32), np.empty(count, np.int64)),
        )
        return joined(answers)

    def topk(self, scores_RN: Float32 | Float64, k: int, num_threads: int | None) -> tuple[Float32 | Float64, Int64]:
        """See `reference.topk`."""
        shape = (len(scores_RN), k)
        values_RK, positions_RK = np.empty(shape, scores_RN.dtype), np.empty(shape, np.int64)
        arguments: Any = self._simd, scores_RN, num_threads or 0, values_RK, positions_RK
        if scores_RN.itemsize == 4:
            _cpu.topk_float32(*arguments)
        else:
            _cpu.topk_float64(*arguments)
        return values_RK, positions_RK

    def transpose(self, matrix: Csr) -> Csr:
        """See `reference.transpose`."""
        num_rows, num_columns = matrix.shape
        indptr = np.empty(num_columns + 1, np.int64)
        turned = Csr(indptr, np.empty_like(matrix.indices), np.empty_like(matrix.data), (num_columns, num_rows))
        _cpu.transpose(matrix, *turned[:3])
        return turned

    def row_totals(self, matrix: Csr) -> tuple[Float64, Float64]:
        """See `reference.row_totals`."""
        sums_R, squares_R = np.empty(matrix.shape[0]), np.empty(matrix.shape[0])
        _cpu.row_totals(matrix, sums_R, squares_R)
        return sums_R, squares_R

    def similar_rows(self, given: GivenRows, compared: ComparedRows, k: int, measure: Measure, num_threads: int) -> Csr:
        """See `reference.similar_rows`."""
        num_given, num_rows = given.owners_G.size, compared.by_column.shape[1]
        indptr = np.zeros(num_given + 1, np.int64)
        indices, data = _cpu.similar_rows(
            given,
            compared,
            k,
            measure,
            num_threads,
            indptr,
            lambda count: (np.empty(count, np.int32), np.empty(count, np.float32)),
        )
        return Csr(indptr, indices, data, (num_given, num_rows))

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
        """See `reference.predict_ratings`."""
        predictions_P = pairs.fallbacks_P.copy()
        by, known = (alike, None) if isinstance(alike, Measure) else (None, alike)
        _cpu.predict_ratings(given, compared, known, by, pairs, centring, k, min_k, num_threads, predictions_P)
        return to_float32(predictions_P)

    def score_neighbours(self, neighbours: Csr, history: History, candidates_QM: Int64) -> Float32:
        """See `reference.score_neighbours`."""
        scores_QM = np.zeros(candidates_QM.shape, np.float32)
        _cpu.score_neighbours(*neighbours[:3], neighbours.shape[1], *history, candidates_QM, scores_QM)
        return scores_QM

    def search_neighbours(self, neighbours: Csr, history: History, k: int, filters: Filters) -> tuple[Float32, Int64]:
        """See `reference.search_neighbours`."""
        scores_QK, ids_QK = _padded(history.indptr.size - 1, k)
        _cpu.search_neighbours(
            *neighbours[:3],
            neighbours.shape[1],
            *history,
            filters.mask_bits,
            *_lists(filters.exclude),
            scores_QK,
            ids_QK,
        )
        return scores_QK, ids_QK

    def fuse(
        self, lists: RankedLists, k: int, method: str, norm: str, num_threads: int | None
    ) -> tuple[Float32, Int64, EntryPlace | None]:
        """See `reference.fuse`."""
        shape = (len(lists.ids[0]), k)
        scores_QK, ids_QK = np.empty(shape, np.float32), np.empty(shape, np.int64)
        numbers = FUSION_METHODS.index(method), FUSION_NORMS.index(norm)
        fault = _cpu.fuse(*lists, *numbers, num_threads or 0, scores_QK, ids_QK)
        return scores_QK, ids_QK, fault and EntryPlace(*fault)

    def mmr(
        self, vectors_QND: Float32, scores_QN: Float64, k: int, diversity_Q: Float64, num_threads: int | None
    ) -> tuple[Int64, Float64]:
        """See `reference.mmr`."""
        order_QK, lost_Q = _reranking(len(scores_QN), k)
        _cpu.mmr(self._simd, vectors_QND, scores_QN, diversity_Q, num_threads or 0, order_QK, lost_Q)
        return order_QK, lost_Q

    def dpp(
        self, vectors_QND: Float32, scores_QN: Float64, weights_QN: Float64, k: int, num_threads: int | None
    ) -> tuple[Int64, Float64]:
        """See `reference.dpp`."""
        order_QK, lost_Q = _reranking(len(scores_QN), k)
        _cpu.dpp(self._simd, vectors_QND, scores_QN, weights_QN, num_threads or 0, order_QK, lost_Q)
        return order_QK, lost_Q

    def calibrate(
        self,
        scores_QN: Float64,
        memberships: Memberships,
        targets_QG: Float64,
        k: int,
        strength_Q: Float64,
        num_threads: int,
    ) -> tuple[Int64, Float64]:
        """See `reference.calibrate`."""
        order_QK, lost_Q = _reranking(len(scores_QN), k)
        _cpu.calibrate(self._simd, scores_QN, *memberships, targets_QG, strength_Q, num_threads, order_QK, lost_Q)
        return order_QK, lost_Q

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
        """See `reference.capped`."""
        order_QK, lost_Q = _reranking(len(scores_QN), k)
        _cpu.capped(self._simd, scores_QN, slots_AQN, caps, window, max_displacement, num_threads, order_QK, lost_Q)
        return order_QK, lost_Q

    def exposure(
        self,
        scores_QN: Float64,
        groups_QN: Int64,
        min_shares_QG: Float64,
        max_shares_QG: Float64,
        k: int,
        num_threads: int,
    ) -> tuple[Int64, Float64]:
        """See `reference.exposure`."""
        order_QK, lost_Q = _reranking(len(scores_QN), k)
        _cpu.exposure(self._simd, scores_QN, groups_QN, min_shares_QG, max_shares_QG, num_threads, order_QK, lost_Q)
        return order_QK, lost_Q

    @property
    def _simd(self) -> int:
        return _PLACES[self.isa]


def _lists(lists: PositionLists | None) -> tuple[Int64 | None, Int64 | None]:
    return (None, None) if lists is None else (lists.indptr, lists.positions)


def _padded(num_queries: int, k: int) -> tuple[Float32, Int64]:
    return np.full((num_queries, k), -np.inf, np.float32), np.full((num_queries, k), -1, np.int64)


def _reranking(num_queries: int, k: int) -> tuple[Int64, Float64]:
    return np.full((num_queries, k), -1, np.int64), np.zeros(num_queries)
