"""`dispatch.Backend` on the device: `CudaBackend`."""

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from shortlist_kernels import checks
from shortlist_kernels.arrays import EntryPlace, Filters, Float32, Float64, Int64, RankedLists, SearchCounts
from shortlist_kernels.cpu.backend import CpuBackend
from shortlist_kernels.cuda import backend, fusion, selection
from shortlist_kernels.cuda.diversity import determinantal, marginal
from shortlist_kernels.cuda.search import Bias, DeviceItems, no_bias, place_items, search
from shortlist_kernels.store import ItemStore


@dataclass(frozen=True, slots=True)
class CudaBackend(CpuBackend):
    """The kernels of this package; what has none here is computed in C.

    The items of an index are copied to the device by the first search, and again by the first after a change.
    """

    _placed: WeakKeyDictionary[ItemStore, tuple[int, DeviceItems]] = field(default_factory=WeakKeyDictionary)

    def __post_init__(self) -> None:
        backend.require_gpu()

    @property
    def name(self) -> str:
        """The name of this backend."""
        return "cuda"

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
        bias = no_bias() if bias_RN is None else Bias(backend.upload(bias_RN), len(bias_RN))
        scores, ids, counts = search(self._items(items), backend.upload(queries_QD), num_queries, k, filters, bias)
        return backend.download(scores)[:num_queries, :k], backend.download(ids)[:num_queries, :k], counts

    def topk(self, scores_RN: Float32 | Float64, k: int, num_threads: int | None) -> tuple[Float32 | Float64, Int64]:
        """See `reference.topk`."""
        num_rows, num_columns = scores_RN.shape
        values, positions = selection.largest(backend.upload(scores_RN), num_rows, num_columns, k)
        return backend.download(values)[:num_rows, :k], backend.download(positions)[:num_rows, :k]

    def fuse(
        self, lists: RankedLists, k: int, method: str, norm: str, num_threads: int | None
    ) -> tuple[Float32, Int64, EntryPlace | None]:
        """See `reference.fuse`."""
        ids, scores = ([backend.upload(one) for one in given] for given in (lists.ids, lists.scores))
        lengths, num_queries = [one.shape[1] for one in lists.ids], len(lists.ids[0])
        scores_QK, ids_QK, fault = fusion.fused(ids, scores, lengths, num_queries, lists.weights, k, method, norm)
        return backend.download(scores_QK)[:num_queries, :k], backend.download(ids_QK)[:num_queries, :k], fault

    def mmr(
        self,
        vectors_QND: Float32,
        scores_QN: Float64,
        k: int,
        diversity_Q: Float64,
        num_threads: int | None,
    ) -> tuple[Int64, Float64]:
        """See `reference.mmr`."""
        return marginal(self._rows(vectors_QND), scores_QN, k, diversity_Q)

    def dpp(
        self,
        vectors_QND: Float32,
        scores_QN: Float64,
        weights_QN: Float64,
        k: int,
        num_threads: int | None,
    ) -> tuple[Int64, Float64]:
        """See `reference.dpp`."""
        return determinantal(self._rows(vectors_QND), scores_QN, weights_QN, k)

    def _items(self, store: ItemStore) -> DeviceItems:
        version, placed = self._placed.get(store, (-1, None))
        if placed is None or version != store.version:
            if store.count > checks.INT32_LIMIT:
                raise ValueError(f"an index on a GPU must have at most {checks.INT32_LIMIT} items, got {store.count}")
            version = store.version
            vectors = backend.upload(store.vectors_ND())
            placed = place_items(store.metric, store.ids_N(), vectors, store.dim)
            self._placed[store] = version, placed
        return placed

    @staticmethod
    def _rows(vectors_QND: Float32) -> Any:
        return backend.upload(vectors_QND.reshape(-1, vectors_QND.shape[2]))
