"""Exact search of vectors that lie on the device: `DeviceIndex`."""

from typing import Any

import numpy as np

from shortlist_kernels import checks
from shortlist_kernels.arrays import METRICS, Int64
from shortlist_kernels.cuda import backend, interop
from shortlist_kernels.cuda.search import Bias, no_bias, place_items, search
from shortlist_kernels.filters import filters
from shortlist_kernels.index import VectorIndex, distinct_ids
from shortlist_kernels.store import MAX_DIM


class DeviceIndex:
    """A snapshot of items on the device, searched as `VectorIndex.search` does, with the same ids, scores and bits.

    It never changes: after changes to a `VectorIndex`, make a new one of it. Methods may be called from several
    threads, one after the other.
    """

    def __init__(self, ids: Any, vectors: Any, metric: str = "inner_product") -> None:
        """`ids` int64 (N,) from 0 up and distinct, `vectors` float32 (N, dim); vectors on the device are not copied.

        Raises ValueError for what `VectorIndex.add` refuses, RuntimeError where no GPU can be used.
        """
        backend.require_gpu()
        self.metric = checks.one_of("metric", metric, METRICS)
        self._ids_N = distinct_ids(interop.on_host("ids", ids))
        vectors_ND, shape = interop.float32s("vectors", vectors, (self._ids_N.size, "D"))
        self.dim = checks.whole_number("dim", shape[1], minimum=1, maximum=MAX_DIM)
        if self._ids_N.size > checks.INT32_LIMIT:
            raise ValueError(f"ids must be at most {checks.INT32_LIMIT}, got {self._ids_N.size}")
        self._items = place_items(self.metric, self._ids_N, vectors_ND, self.dim)
        self._in_order = np.argsort(self._ids_N)

    @classmethod
    def of(cls, index: VectorIndex) -> "DeviceIndex":
        """What an index holds now, in the order of its positions."""
        ids_N, vectors_ND = index.snapshot()
        return cls(ids_N, vectors_ND, index.metric)

    def __len__(self) -> int:
        return self._ids_N.size

    @property
    def ids(self) -> Int64:
        """int64 (N,), the id at each position. Masks and bias follow this order."""
        return self._ids_N.copy()

    def search(
        self, queries: Any, k: int, exclude: Any = None, allow: Any = None, mask: Any = None, bias: Any = None
    ) -> tuple[Any, Any]:
        """The k best items of each query: scores float32 (Q, k) and ids int64 (Q, k); see `VectorIndex.search`.

        Arguments may be NumPy's or lie on the device (`interop.py` says what may). exclude, allow and mask are copied
        to the host; queries and bias are used where they are. Results are on the device if the queries are.
        """
        k = checks.whole_number("k", k, minimum=0)
        queries_QD, (num_queries, _) = interop.float32s("queries", queries, ("Q", self.dim))
        excluded, allowed = interop.on_host("exclude", exclude), interop.on_host("allow", allow)
        masked = interop.on_host("mask", mask)
        rules = filters(excluded, allowed, masked, num_queries, len(self), self._find)
        scores_QK, ids_QK, _ = search(
            self._items, queries_QD, num_queries, k, rules, bias_rows(bias, num_queries, len(self))
        )
        to_host = not interop.is_on_device(queries)
        shape = (num_queries, k)
        return interop.given_back(scores_QK, shape, to_host), interop.given_back(ids_QK, shape, to_host)

    def _find(self, ids: Int64) -> Int64:
        """The position of each id, -1 where there is none."""
        if len(self) == 0:
            return np.full(ids.shape, -1)
        places = np.searchsorted(self._ids_N, ids, sorter=self._in_order)
        positions = self._in_order[np.minimum(places, len(self) - 1)]
        return np.where(self._ids_N[positions] == ids, positions, -1)


def bias_rows(bias: Any, num_queries: int, num_items: int) -> Bias:
    """A bias argument as rows on the device."""
    if bias is None:
        return no_bias()
    num_axes = len(interop.shape_of("bias", bias))
    shape = (num_queries, num_items) if num_axes == 2 else (num_items,)
    values, _ = interop.float32s("bias", bias, shape)
    return Bias(values.reshape((-1, max(num_items, 1))), num_queries if num_axes == 2 else 1)
