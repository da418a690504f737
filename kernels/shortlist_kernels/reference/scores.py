"""How a query and a vector compare, and the order of sums that makes it the same everywhere."""

import numpy as np

from shortlist_kernels.arrays import Float32, Float64, RowStatistics

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
