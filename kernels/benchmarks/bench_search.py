"""Median times of exact search and MMR beside NumPy in the same run.

    python kernels/benchmarks/bench_search.py [--items 200000] [--dim 128] [--k 100] [--repeats 7]

Ours runs on one thread; NumPy's products may use every core. Its search is a float32 product and a partial sort,
neither exact in its sums nor ordered among ties.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import VectorIndex, isa_info, rerank, topk

Array = NDArray[np.float32]


def median_ms(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]) * 1e3  # the first run warms the caches


def numpy_search(vectors_ND: Array, queries_QD: Array, k: int) -> NDArray[np.int64]:
    scores_QN = queries_QD @ vectors_ND.T
    best_QK = np.argpartition(scores_QN, -k, axis=1)[:, -k:]
    order_QK = np.argsort(-np.take_along_axis(scores_QN, best_QK, axis=1), axis=1)
    return np.take_along_axis(best_QK, order_QK, axis=1)


def numpy_mmr(vectors_ND: Array, scores_N: Array, k: int, diversity: float) -> list[int]:
    unit_ND = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    values_N, closest_N = (1 - diversity) * scores_N, np.full(len(scores_N), -np.inf, np.float32)
    taken = [int(np.argmax(values_N))]
    for _ in range(k - 1):
        closest_N = np.maximum(closest_N, unit_ND @ unit_ND[taken[-1]])
        values_N[taken[-1]] = -np.inf
        taken.append(int(np.argmax(values_N - diversity * closest_N)))
    return taken


def rows(vectors_ND: Array, k: int, repeats: int) -> Iterator[tuple[str, float, float | None]]:
    """Name, our median and NumPy's, where NumPy has the like."""
    random = np.random.default_rng(1)
    num_items, dim = vectors_ND.shape
    index = VectorIndex(dim)
    index.add(np.arange(num_items), vectors_ND)
    for num_queries in (1, 32):
        queries_QD = random.standard_normal((num_queries, dim), np.float32)
        ours = median_ms(partial(index.search, queries_QD, k), repeats)
        peer = median_ms(partial(numpy_search, vectors_ND, queries_QD, k), repeats)
        yield f"search, {num_queries} at once", ours, peer
    query_1D, mask_N = random.standard_normal((1, dim), np.float32), random.random((num_items,)) < 0.5
    yield "search, 1 at once, 50 % masked", median_ms(partial(index.search, query_1D, k, mask=mask_N), repeats), None
    scores_N = random.standard_normal((num_items,), np.float32)
    yield "topk of one score per item", median_ms(lambda: topk(scores_N, k), repeats), None
    candidates_ND, relevance_N = vectors_ND[:1000], scores_N[:1000]
    ours = median_ms(lambda: rerank.mmr(candidates_ND, relevance_N, 50, 0.3), repeats)
    yield "MMR, 50 of 1,000", ours, median_ms(lambda: numpy_mmr(candidates_ND, relevance_N, 50, 0.3), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    vectors_ND = np.random.default_rng(0).standard_normal((options.items, options.dim), np.float32)
    print(f"{options.items:,} x {options.dim} float32, k = {options.k}, {isa_info()['isa']}, medians in ms")
    print(f"{'':32}{'shortlist':>12}{'numpy':>12}{'ratio':>8}")
    for name, ours, peer in rows(vectors_ND, options.k, options.repeats):
        compared = "" if peer is None else f"{peer:12.2f}{peer / ours:8.2f}"
        print(f"{name:32}{ours:12.2f}{compared}")


if __name__ == "__main__":
    main()
