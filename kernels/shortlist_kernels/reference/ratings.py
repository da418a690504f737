"""Ratings predicted from those of the nearest neighbours."""

import numpy as np

from shortlist_kernels.arrays import (
    Centring,
    ComparedRows,
    Csr,
    Float32,
    Float64,
    GivenRows,
    Int32,
    Int64,
    Measure,
    RatingPairs,
)
from shortlist_kernels.reference.neighbours import row_similarities
from shortlist_kernels.reference.scores import to_float32


def predict_ratings(
    given: GivenRows,
    compared: ComparedRows,
    alike: Measure | Csr,
    pairs: RatingPairs,
    centring: Centring,
    k: int,
    min_k: int,
    num_threads: int,
) -> Float32:
    """For each pair: base + sum(s (rating - centre)) / sum(s), the sums in float64; rounded to float32.

    The sums run over at most k rows by (s descending, index ascending) that have an entry in the column and whose
    similarity s to the pair's row is above 0, that row itself left out. base is the centre of the pair. Where there are
    fewer than min_k such rows it is the fallback.
    """
    del num_threads  # no more than a matter of time
    predictions_P = pairs.fallbacks_P.copy()
    for row, start, end in zip(pairs.rows_G.tolist(), pairs.starts_G[:-1], pairs.starts_G[1:], strict=True):
        similarities_R = _similarities(given, row, compared, alike)
        for place in range(start, end):
            column = int(pairs.columns_P[place])
            raters = slice(compared.by_column.indptr[column], compared.by_column.indptr[column + 1])
            rows_N = compared.by_column.indices[raters]
            order = np.lexsort((rows_N, -similarities_R[rows_N]))[:k]
            best = order[similarities_R[rows_N[order]] > 0]
            if best.size < min_k:
                continue
            similarities_K = similarities_R[rows_N[best]]
            centres_K = _centres(centring, rows_N[best], column)
            above = np.cumsum(similarities_K * (compared.by_column.data[raters][best] - centres_K))[-1]
            base = _centres(centring, np.array([row]), column)[0]
            predictions_P[place] = base + above / np.cumsum(similarities_K)[-1]
    return to_float32(predictions_P)


def _centres(centring: Centring, rows_N: Int32 | Int64, column: int) -> Float64:
    return np.asarray((centring.mean + centring.rows_R[rows_N]) + centring.columns_C[column], np.float64)


def _similarities(given: GivenRows, row: int, compared: ComparedRows, alike: Measure | Csr) -> Float64:
    """How alike each row is to a given one, 0 where it is no neighbour."""
    similarities_R = np.zeros(compared.by_column.shape[1])
    if isinstance(alike, Measure):
        others, similarities = row_similarities(given, row, compared, alike)
        similarities_R[others] = similarities
    else:
        entries = slice(alike.indptr[row], alike.indptr[row + 1])
        similarities_R[alike.indices[entries]] = alike.data[entries]
    similarities_R[row] = 0.0
    return similarities_R
