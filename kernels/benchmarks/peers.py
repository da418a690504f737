"""Who searches: ours, and the libraries that people use for the same, each called as its own manual says.

A searcher takes queries (Q, D) and gives the ids (Q, k) of the largest inner products. Exact ones compare every item
with every query; they differ from ours only in the last bit of a float32 sum, and so among near-ties.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.cases import Float32, Int64
from shortlist_kernels import VectorIndex, dispatch

Search = Callable[[Float32], Int64]

# Peers that make a whole matrix of scores get the queries in blocks of this size: much faster than one by one, and
# the 4 GB of 1,024 queries by 1M items are no faster.
SCORES_BYTES = 1 << 30
USEARCH_PAIR_BYTES = 16
HNSW_MAX_FLOATS = 10_000_000
HNSW_RECALL = 0.99


@dataclass(frozen=True, slots=True)
class Searcher:
    """A name for the table and a function to time."""

    name: str
    search: Search
    ours: bool = False
    exact: bool = True


def ours(index: VectorIndex, isa: str, k: int, num_threads: int) -> Searcher:
    """The index with one of the instruction sets that the machine has."""

    def search(queries_QD: Float32) -> Int64:
        with dispatch.using(isa):
            return index.search(queries_QD, k, num_threads=num_threads)[1]

    return Searcher(f"shortlist {isa}", search, ours=True)


def numpy(vectors_ND: Float32, k: int, num_threads: int) -> list[Searcher]:
    """Product and partial sort. Its threads are those of its BLAS, one a core; the sort uses one."""
    block = _block(len(vectors_ND), np.dtype(np.float32).itemsize)

    def best(queries_QD: Float32) -> Int64:
        scores_QN = queries_QD @ vectors_ND.T
        found_QK = np.argpartition(scores_QN, -k, axis=1)[:, -k:]
        order_QK = np.argsort(-np.take_along_axis(scores_QN, found_QK, axis=1), axis=1)
        return np.take_along_axis(found_QK, order_QK, axis=1)

    return [Searcher("numpy", lambda queries_QD: _by_blocks(best, queries_QD, block))]


def torch(vectors_ND: Float32, k: int, num_threads: int) -> list[Searcher]:
    """The product, and topk. For one query its MKL uses one thread on AMD, as matrix by vector and as `linear` too."""
    import torch

    torch.set_num_threads(num_threads)
    items_ND = torch.from_numpy(vectors_ND)
    block = _block(len(vectors_ND), np.dtype(np.float32).itemsize)

    def best(queries_QD: Float32) -> Int64:
        return torch.topk(torch.from_numpy(queries_QD) @ items_ND.T, k).indices.numpy()

    return [Searcher("torch", lambda queries_QD: _by_blocks(best, queries_QD, block))]


def faiss(vectors_ND: Float32, k: int, num_threads: int) -> list[Searcher]:
    """IndexFlatIP as it comes, and made to use its blocked BLAS path from the first query on.

    It multiplies by BLAS where queries x dimensions reach the threshold (128,000 since 1.15; before, 20 queries).
    """
    import faiss

    faiss.omp_set_num_threads(num_threads)
    index = faiss.IndexFlatIP(vectors_ND.shape[1])
    index.add(vectors_ND)

    def searcher(name: str, threshold: int) -> Searcher:
        def search(queries_QD: Float32) -> Int64:
            faiss.cvar.distance_compute_blas_threshold = threshold
            found_QK: Int64 = index.search(queries_QD, k)[1]
            return found_QK

        return Searcher(name, search)

    return [searcher("faiss", faiss.cvar.distance_compute_blas_threshold), searcher("faiss, BLAS forced", 1)]


def usearch(vectors_ND: Float32, k: int, num_threads: int) -> list[Searcher]:
    """Its exact search, which needs no index."""
    from usearch.index import MetricKind, search

    block = _block(len(vectors_ND), USEARCH_PAIR_BYTES)

    def best(queries_QD: Float32) -> Int64:
        found = search(vectors_ND, queries_QD, k, MetricKind.IP, exact=True, threads=num_threads)
        return np.asarray(found.keys, np.int64).reshape(len(queries_QD), k)

    return [Searcher("usearch exact", lambda queries_QD: _by_blocks(best, queries_QD, block))]


def hnswlib(vectors_ND: Float32, k: int, num_threads: int, truth: Search) -> list[Searcher]:
    """An approximate graph with the smallest power of two as `ef` that finds 99 % of the true results."""
    import hnswlib

    index = hnswlib.Index("ip", vectors_ND.shape[1])
    index.init_index(len(vectors_ND), M=16, ef_construction=200)
    index.add_items(vectors_ND, num_threads=num_threads)
    sample_QD = vectors_ND[:: max(1, len(vectors_ND) // 100)]
    true_QK = truth(sample_QD)

    def search(queries_QD: Float32) -> Int64:
        return np.asarray(index.knn_query(queries_QD, k, num_threads=num_threads)[0], np.int64)

    ef = k
    while True:
        index.set_ef(ef)
        found_QK = search(sample_QD)
        hits = sum(np.isin(found_K, true_K).sum() for found_K, true_K in zip(found_QK, true_QK, strict=True))
        if hits >= HNSW_RECALL * true_QK.size or ef >= len(vectors_ND):
            return [Searcher(f"hnswlib ef={ef}, approximate", search, exact=False)]
        ef *= 2


BUILDERS: dict[str, Callable[[Float32, int, int], list[Searcher]]] = {
    "numpy": numpy,
    "torch": torch,
    "faiss": faiss,
    "usearch": usearch,
}


def installed() -> list[str]:
    """The exact peers that can be imported here."""
    return [name for name in BUILDERS if importlib.util.find_spec(name)]


def _block(num_items: int, pair_bytes: int) -> int:
    return max(1, SCORES_BYTES // (num_items * pair_bytes))


def _by_blocks(best: Search, queries_QD: Float32, block: int) -> Int64:
    return np.concatenate([best(queries_QD[start : start + block]) for start in range(0, len(queries_QD), block)])
