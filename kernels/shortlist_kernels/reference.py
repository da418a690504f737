"""The definition of every operation, in NumPy. Every other backend returns the same bits; tests compare them.

Arguments were checked by the public functions; see `dispatch.Backend` for the names that a backend has.

The order of sums is part of the definition. Sums over the dimensions of a vector are taken in float64 over eight lanes
(`lane_sum`); a product of two float32 is exact in float64, so no instruction set can round it differently. Sums over
histories, users and lists are taken one after the other in the order of their entries.
"""

from collections.abc import Iterator

import numpy as np

from shortlist_kernels.arrays import (
    Csr,
    Filters,
    Float32,
    Float64,
    History,
    Int64,
    Items,
    RowStatistics,
    SearchCounts,
    joined,
)

name = "reference"
isa = "numpy"
LANES = 8
ROWS_AT_ONCE = 4096


def lane_sum(terms: Float64) -> Float64:
    """Sum over the last axis: term d goes to lane d mod 8, then ((0+4)+(2+6)) + ((1+5)+(3+7))."""
    lanes = np.zeros((*terms.shape[:-1], LANES))
    for start in range(0, terms.shape[-1], LANES):
        part = terms[..., start : start + LANES]
        lanes[..., : part.shape[-1]] += part
    four = lanes[..., :4] + lanes[..., 4:]
    two = four[..., :2] + four[..., 2:]
    return np.asarray(two[..., 0] + two[..., 1])


def to_float32(scores: Float64) -> Float32:
    """The one rounding of a score; what float32 cannot hold becomes infinite."""
    with np.errstate(over="ignore"):
        return scores.astype(np.float32)


def row_statistics(metric: str, vectors_ND: Float32) -> RowStatistics:
    """Norms for cosine; means, and norms about them, for pearson."""
    num_rows, num_dimensions = vectors_ND.shape
    means_N = np.zeros(num_rows if metric == "pearson" else 0)
    norms_N = np.zeros(num_rows if metric in ("cosine", "pearson") else 0)
    for start in range(0, norms_N.size, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        values = vectors_ND[rows].astype(np.float64)
        if metric == "pearson":
            means_N[rows] = lane_sum(values) / num_dimensions
            values -= means_N[rows, np.newaxis]
        norms_N[rows] = np.sqrt(lane_sum(values * values))
    return RowStatistics(means_N, norms_N)


def similarity(metric: str, query_D: Float32, vectors_ND: Float32, statistics: RowStatistics) -> Float64:
    """The float64 score of one query against rows with these `row_statistics`.

    inner_product: sum(q * x).  euclidean: 0 - sum((q - x) ** 2).  cosine: sum(q * x) / (|q| * |x|).
    pearson: the cosine of q - mean(q) and x - mean(x).  Cosine and pearson are 0 where a norm is 0.
    """
    query, vectors = query_D.astype(np.float64), vectors_ND.astype(np.float64)
    if metric == "inner_product":
        return lane_sum(query * vectors)
    if metric == "euclidean":
        differences = query - vectors
        return 0.0 - lane_sum(differences * differences)
    own = row_statistics(metric, query_D[np.newaxis])
    if metric == "pearson":
        query, vectors = query - own.means_N[0], vectors - statistics.means_N[:, np.newaxis]
    norms_N = own.norms_N[0] * statistics.norms_N
    return np.asarray(np.divide(lane_sum(query * vectors), norms_N, out=np.zeros(len(vectors)), where=norms_N != 0))


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


def similar_rows(matrix: Csr, transposed: Csr, k: int, shrinkage: float) -> Csr:
    """The k rows most alike to each row: dot / (|r| * |s| + shrinkage) in float64, rounded to float32.

    In order of (similarity descending, index ascending). Rows whose dot product is 0, and the row itself, are left out.
    """
    num_rows = matrix.shape[0]
    owners = np.repeat(np.arange(num_rows), np.diff(matrix.indptr))
    squares = np.square(matrix.data, dtype=np.float64)
    norms_R = np.sqrt(np.bincount(owners, weights=squares, minlength=num_rows))
    indptr, indices, data = [0], [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    for row in range(num_rows):
        dots_R = np.zeros(num_rows)
        for entry in range(matrix.indptr[row], matrix.indptr[row + 1]):
            column = matrix.indices[entry]
            sharing = slice(transposed.indptr[column], transposed.indptr[column + 1])
            products = np.float64(matrix.data[entry]) * transposed.data[sharing].astype(np.float64)
            dots_R[transposed.indices[sharing]] += products
        dots_R[row] = 0.0
        others = np.flatnonzero(dots_R)
        similarities = to_float32(dots_R[others] / (norms_R[row] * norms_R[others] + shrinkage))
        best = np.lexsort((others, -similarities))[:k]
        indices.append(others[best].astype(np.int32))
        data.append(similarities[best])
        indptr.append(indptr[-1] + best.size)
    return Csr(np.array(indptr, np.int64), np.concatenate(indices), np.concatenate(data), (num_rows, num_rows))


def accumulate(neighbours: Csr, history: History, query: int) -> Float64:
    """Sum over the history of weight * similarity, for every column: float64 (C,)."""
    sums_C = np.zeros(neighbours.shape[1])
    for place in range(history.indptr[query], history.indptr[query + 1]):
        row = int(history.rows[place])
        start, end = int(neighbours.indptr[row]), int(neighbours.indptr[row + 1])
        if not _is_sound(neighbours, start, end):
            raise ValueError(f"neighbours must have indptr and indices in range and finite data, got a bad row {row}")
        similarities = neighbours.data[start:end].astype(np.float64)
        np.add.at(sums_C, neighbours.indices[start:end], np.float64(history.weights[place]) * similarities)
    return sums_C


def _is_sound(matrix: Csr, start: int, end: int) -> bool:
    """Whether a row can be read: the matrix may come from a file that was damaged."""
    if not 0 <= start <= end <= matrix.indices.size:
        return False
    columns = matrix.indices[start:end]
    in_range = (columns >= 0) & (columns < matrix.shape[1])
    return bool((in_range & np.isfinite(matrix.data[start:end])).all())


def score_neighbours(neighbours: Csr, history: History, candidates_QM: Int64) -> Float32:
    """`accumulate` at the candidates of each query; 0 at candidate -1."""
    scores_QM = np.zeros(candidates_QM.shape, np.float32)
    for query, candidates in enumerate(candidates_QM):
        sums_C = accumulate(neighbours, history, query)
        known = candidates >= 0
        scores_QM[query, known] = to_float32(sums_C[candidates[known]])
    return scores_QM


def search_neighbours(neighbours: Csr, history: History, k: int, filters: Filters) -> tuple[Float32, Int64]:
    """The k allowed columns with non-zero sums by (sum rounded to float32 descending, column ascending)."""
    num_queries = history.indptr.size - 1
    scores_QK = np.full((num_queries, k), -np.inf, np.float32)
    ids_QK = np.full((num_queries, k), -1, np.int64)
    for query in range(num_queries):
        sums_C = accumulate(neighbours, history, query)
        columns = np.flatnonzero(allowed(filters, query, sums_C.size) & (sums_C != 0))
        scores = to_float32(sums_C[columns])
        order = np.lexsort((columns, -scores))[:k]
        best = columns[order]
        scores_QK[query, : best.size] = scores[order]
        ids_QK[query, : best.size] = best
    return scores_QK, ids_QK


def mmr(vectors_QND: Float32, scores_QN: Float64, k: int, diversity_Q: Float64) -> tuple[Int64, Float64]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998), greedy; see `rerank.mmr` for the formula."""
    order_QK = np.full((len(scores_QN), k), -1, np.int64)
    lost_Q = np.zeros(len(scores_QN))
    for query, (vectors_ND, scores_N) in enumerate(zip(vectors_QND, scores_QN, strict=True)):
        diversity, keep = diversity_Q[query], 1.0 - diversity_Q[query]
        statistics = row_statistics("cosine", vectors_ND)
        open_N = scores_N != -np.inf
        num_selected = min(k, int(open_N.sum()))
        relevance_N = keep * np.where(open_N, scores_N, 0.0)
        closest_N = np.zeros(scores_N.size)
        for place in range(num_selected):
            values_N = np.where(open_N, relevance_N - diversity * closest_N, -np.inf)
            chosen = int(np.argmax(values_N))
            open_N[chosen] = False
            order_QK[query, place] = chosen
            cosines_N = similarity("cosine", vectors_ND[chosen], vectors_ND, statistics)
            closest_N = cosines_N if place == 0 else np.maximum(closest_N, cosines_N)
        best = np.sort(scores_N)[::-1][:num_selected]
        lost_Q[query] = _sum_in_order(best) - _sum_in_order(scores_N[order_QK[query, :num_selected]])
    return order_QK, lost_Q


def _sum_in_order(values: Float64) -> float:
    total = 0.0
    for value in values:
        total += float(value)
    return total
