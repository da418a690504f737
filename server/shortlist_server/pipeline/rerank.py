"""rerank: the order of the reply, by value alone or traded against variety.

Shapes: B requests, C candidates, K results, D dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import DEGRADATION_REASON_DEADLINE, STAGE_RERANK
from shortlist_kernels import VectorIndex
from shortlist_kernels import rerank as kernels
from shortlist_server.pipeline.batch import PADDING, Batch, Ranking, Scored
from shortlist_server.pipeline.ladder import Level


def rerank(batch: Batch, scored: Scored, *, vectors: VectorIndex) -> Ranking:
    """The best k candidates of each request; maximal marginal relevance where it asks for diversity.

    Relevance and likeness are weighed on one scale: values are first stretched to 0..1 over the request's candidates.
    """
    width = max(query.k for query in batch.queries)
    positions_BK = np.full((len(batch), width), PADDING, dtype=np.int64)
    lost_B = np.zeros(len(batch), dtype=np.float64)
    for request in batch.live():
        query = batch.queries[request]
        best = by_value(scored.values_BC[request], scored.rows_BC[request])[: query.k]
        order = best
        if query.diversity > 0.0 and batch.level >= Level.NO_RERANK:
            batch.degrade(
                request,
                stage=STAGE_RERANK,
                reason=DEGRADATION_REASON_DEADLINE,
                detail="the deadline left no time for diversity",
            )
        elif query.diversity > 0.0:
            order = _diverse(scored, request, query.k, query.diversity, vectors)
            lost_B[request] = _total(scored.values_BC[request, best]) - _total(scored.values_BC[request, order])
        positions_BK[request, : len(order)] = order
    return Ranking(positions_BK=positions_BK, relevance_lost_B=lost_B)


def by_value(values_C: NDArray[np.float32], rows_C: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the candidates by (value descending, row ascending), padding left out."""
    used = int(np.count_nonzero(rows_C != PADDING))
    return np.lexsort((rows_C[:used], -values_C[:used]))


def _diverse(scored: Scored, request: int, k: int, diversity: float, vectors: VectorIndex) -> NDArray[np.int64]:
    order_C = by_value(scored.values_BC[request], scored.rows_BC[request])
    values_C = scored.values_BC[request, order_C].astype(np.float64)
    spread = np.ptp(values_C) if len(values_C) else 0.0
    relevance_C = (values_C - values_C.min()) / spread if spread > 0.0 else np.ones_like(values_C)
    vectors_CD = vectors.vectors(scored.rows_BC[request, order_C])
    chosen, _ = kernels.mmr(vectors_CD, relevance_C, min(k, len(order_C)), diversity)
    return order_C[chosen]


def _total(values: NDArray[np.float32]) -> float:
    return float(values.astype(np.float64).sum())
