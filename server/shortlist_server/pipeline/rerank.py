"""rerank: the order of the reply, by value alone or traded against variety, within the caps of the request.

Shapes: B requests, C candidates, K results.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import DEGRADATION_REASON_DEADLINE, STAGE_RERANK
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.batch import PADDING, Batch, Ranking, Scored
from shortlist_server.pipeline.caps import within_caps
from shortlist_server.pipeline.ladder import Level
from shortlist_server.pipeline.query import Diversity
from shortlist_server.pipeline.variety import Contest, Variety

# Variety orders that many times k candidates, so that its cost has a bound; the others follow by value.
DEPTH_UNDER_CAPS = 2


def rerank(batch: Batch, scored: Scored, *, variety: Variety, catalog: Catalog) -> Ranking:
    """The best k candidates of each request, in an order as varied as it asks for, none more often than its caps allow.

    Caps take items in the order that variety makes. They are rules, so they hold where the deadline forbids variety.
    The relevance lost is the sum of as many best values minus that of the items chosen.
    """
    width = max(query.k for query in batch.queries)
    positions_BK = np.full((len(batch), width), PADDING, dtype=np.int64)
    lost_B = np.zeros(len(batch), dtype=np.float64)
    contests = {request: _contest(batch, scored, request) for request in batch.live()}
    orders = variety.order(list(contests.values()))
    for (request, contest), order in zip(contests.items(), orders, strict=True):
        query = batch.queries[request]
        if query.caps:
            order = within_caps(order, contest.rows_C[order], query.caps, query.k, catalog)
        chosen = order[: query.k]
        positions_BK[request, : len(chosen)] = contest.positions_C[chosen]
        lost_B[request] = _total(contest.values_C[: len(chosen)]) - _total(contest.values_C[chosen])
    return Ranking(positions_BK=positions_BK, relevance_lost_B=lost_B)


def by_value(values_C: NDArray[np.float32], rows_C: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the candidates by (value descending, row ascending), padding left out."""
    used = int(np.count_nonzero(rows_C != PADDING))
    return np.lexsort((rows_C[:used], -values_C[:used]))


def _contest(batch: Batch, scored: Scored, request: int) -> Contest:
    query, diversity = batch.queries[request], batch.queries[request].diversity
    if diversity.strength and batch.level >= Level.NO_RERANK:
        detail = "the deadline left no time for diversity"
        batch.degrade(request, stage=STAGE_RERANK, reason=DEGRADATION_REASON_DEADLINE, detail=detail)
        diversity = Diversity()
    positions_C = by_value(scored.values_BC[request], scored.rows_BC[request])
    return Contest(
        diversity=diversity,
        positions_C=positions_C,
        rows_C=scored.rows_BC[request, positions_C],
        values_C=scored.values_BC[request, positions_C],
        depth=min(DEPTH_UNDER_CAPS * query.k if query.caps else query.k, len(positions_C)),
    )


def _total(values: NDArray[np.float32]) -> float:
    """Rounded once, so that no order of the best is worth more than the best."""
    return math.fsum(values.tolist())
