"""Exact search and selection."""

from collections.abc import Iterator

import numpy as np

from shortlist_kernels.arrays import Filters, Float32, Float64, Int64, Items, SearchCounts, joined
from shortlist_kernels.reference.scores import row_statistics, similarity, to_float32


def score(items: Items, queries_QD: Float32, positions_QM: Int64) -> Float32:
    """The score of each query with the items at its positions; -inf at position -1."""
    scores_QM = np.full(positions_QM.shape, -np.inf, np.float32)
    vectors_ND = items.vectors_ND()
    for query, positions in enumerate(positions_QM):
        known = positions >= 0
        rows = vectors_ND[positions[known]]
        scores = similarity(items.metric, queries_QD[query], rows, row_statistics(items.metric, rows))
        scores_QM[query, known] = to_float32(scores)
    return scores_QM


def search(
    items: Items, queries_QD: Float32, k: int, filters: Filters, bias_RN: Float32 | None, num_threads: int
) -> tuple[Float32, Int64, SearchCounts]:
    """The k best allowed items by (float64 score + bias descending, id ascending), padded with -inf and -1.

    `bias_RN` has one row for all queries or one a query.
    """
    scores_QK = np.full((len(queries_QD), k), -np.inf, np.float32)
    ids_QK = np.full((len(queries_QD), k), -1, np.int64)
    ids_N = items.ids_N()
    for query, scores_N in enumerate(_all_scores(items, queries_QD, bias_RN)):
        positions = np.flatnonzero(allowed(filters, query, ids_N.size))
        best = positions[np.lexsort((ids_N[positions], -scores_N[positions]))[:k]]
        scores_QK[query, : best.size] = to_float32(scores_N[best])
        ids_QK[query, : best.size] = ids_N[best]
    counts = SearchCounts(len(queries_QD), num_exhaustive=len(queries_QD))
    return scores_QK, ids_QK, counts


def search_range(
    items: Items, queries_QD: Float32, least_Q: Float64, filters: Filters, bias_RN: Float32 | None, num_threads: int
) -> tuple[Int64, Float32, Int64]:
    """The allowed items of each query with (float64 score + bias) >= its least score, in the order of `search`."""
    answers = []
    ids_N = items.ids_N()
    for query, scores_N in enumerate(_all_scores(items, queries_QD, bias_RN)):
        positions = np.flatnonzero(allowed(filters, query, ids_N.size) & (scores_N >= least_Q[query]))
        found = positions[np.lexsort((ids_N[positions], -scores_N[positions]))]
        answers.append((to_float32(scores_N[found]), ids_N[found]))
    return joined(answers)


def _all_scores(items: Items, queries_QD: Float32, bias_RN: Float32 | None) -> Iterator[Float64]:
    """For each query the float64 scores of all items, bias included."""
    vectors_ND = items.vectors_ND()
    statistics = row_statistics(items.metric, vectors_ND)
    for query, query_D in enumerate(queries_QD):
        scores_N = similarity(items.metric, query_D, vectors_ND, statistics)
        yield scores_N if bias_RN is None else scores_N + bias_RN[query if len(bias_RN) > 1 else 0]


def allowed(filters: Filters, query: int, num_items: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which positions a query may get: bool (N,)."""
    allowed_N = np.ones(num_items, np.bool_)
    if filters.mask_bits is not None:
        bits = filters.mask_bits[query if len(filters.mask_bits) > 1 else 0]
        allowed_N &= np.unpackbits(bits, count=num_items, bitorder="little").astype(np.bool_)
    if filters.allow is not None:
        listed_N = np.zeros(num_items, np.bool_)
        listed_N[filters.allow.of(query)] = True
        allowed_N &= listed_N
    if filters.exclude is not None:
        allowed_N[filters.exclude.of(query)] = False
    return allowed_N


def topk(scores_RN: Float32 | Float64, k: int, num_threads: int | None) -> tuple[Float32 | Float64, Int64]:
    """The k largest of each row by (value descending, position ascending), NaN after all; -inf at -1 beyond N."""
    values_RK = np.full((len(scores_RN), k), -np.inf, scores_RN.dtype)
    positions_RK = np.full((len(scores_RN), k), -1, np.int64)
    order_RN = np.argsort(-scores_RN, axis=1, kind="stable")[:, :k]  # sorts NaN last, as negating leaves it NaN
    values_RK[:, : order_RN.shape[1]] = np.take_along_axis(scores_RN, order_RN, axis=1)
    positions_RK[:, : order_RN.shape[1]] = order_RN
    return values_RK, positions_RK
