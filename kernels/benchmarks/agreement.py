"""Whether a peer found what ours found."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Float32, Int64

NUM_CHECKED = 32


def agreement(vectors_ND: Float32, queries_QD: Float32, ours_QK: Int64, theirs_QK: Int64) -> float:
    """Share of our ids that the other found, or replaced by one that scores the same within float32 rounding.

    A float32 sum of D products of unit rows is off by at most about D/2 units of the last place of 1. Looks at the
    first queries of the batch only.
    """
    rounding = vectors_ND.shape[1] / 2 * float(np.finfo(np.float32).eps)
    found = 0
    checked = list(zip(queries_QD, ours_QK, theirs_QK, strict=True))[:NUM_CHECKED]
    for query_D, ours_K, theirs_K in checked:
        worst = _scores(vectors_ND, query_D, ours_K).min()
        distinct = np.unique(theirs_K)
        found += int((_scores(vectors_ND, query_D, distinct) >= worst - rounding).sum())
    return float(found / (len(checked) * ours_QK.shape[1]))


def _scores(vectors_ND: Float32, query_D: Float32, ids_K: Int64) -> NDArray[np.float64]:
    return vectors_ND[ids_K].astype(np.float64) @ query_D.astype(np.float64)
