"""The funnel, offline: retrieve, fuse, rank, with the operations of the server.

B queries, S sources, K results, C = num_candidates, N items.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import fuse
from shortlist_training.data.queries import Queries
from shortlist_training.models import Retrieved, Source

_BATCH = 256
# history.items, history.recency_days, candidate.items, candidate.retrieval_scores -> value (B, C)
Rank = Callable[[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Funnel:
    """The sources in manifest order, how they are fused, and the ranker.

    Attributes:
        weights: of each source in the weighted fusion of min-max scaled scores.
        allowed_N: items that may be offered.
        rank: value of each candidate; None while there is no ranker yet.
    """

    sources: Sequence[Source]
    weights: Sequence[float]
    num_candidates: int
    allowed_N: NDArray[np.bool_]
    rank: Rank | None = None

    def retrieve(self, queries: Queries, k: int | None = None) -> list[Retrieved]:
        """Each source's best k (default: num_candidates) unseen items, in the order of the sources."""
        count = k or self.num_candidates
        return [
            _concatenate([source.retrieve(part, count, self.allowed_N) for part in _parts(queries)])
            for source in self.sources
        ]

    def fuse(self, retrieved: Sequence[Retrieved], weights: Sequence[float] | None = None) -> Retrieved:
        """The lists as one: scores (B, C) and rows (B, C), padded with -inf and -1."""
        num_queries = len(retrieved[0][1])
        parts = []
        for start in range(0, num_queries, _BATCH):
            end = start + _BATCH
            rows = [rows_BK[start:end] for _, rows_BK in retrieved]
            scores = [scores_BK[start:end] for scores_BK, _ in retrieved]
            chosen = list(self.weights if weights is None else weights)
            parts.append(fuse(rows, scores, self.num_candidates, method="weighted", weights=chosen, norm="minmax"))
        return _concatenate(parts)

    def scores(self, queries: Queries, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """`candidate.retrieval_scores` (B, C, S): the raw score of every source for every candidate."""
        return np.stack([source.score(queries, rows_BC) for source in self.sources], axis=-1)

    def order(self, queries: Queries, fused: Retrieved) -> Retrieved:
        """The fused candidates by the ranker's value; a user without history keeps the fused scores."""
        assert self.rank is not None
        fused_BC, rows_BC = fused
        values_BC = self.rank(
            queries.history_items_BL, queries.history_recency_BL, rows_BC + 1, self.scores(queries, rows_BC)
        )
        values_BC = np.where(queries.with_history_B[:, None], values_BC, fused_BC)
        values_BC = np.where(rows_BC < 0, np.float32(-np.inf), values_BC)
        order_BC = np.lexsort((rows_BC, -values_BC), axis=1)
        return np.take_along_axis(values_BC, order_BC, 1), np.take_along_axis(rows_BC, order_BC, 1)


def _parts(queries: Queries) -> list[Queries]:
    return [queries.slice(start, start + _BATCH) for start in range(0, max(1, len(queries)), _BATCH)]


def _concatenate(parts: Sequence[Retrieved]) -> Retrieved:
    scores, rows = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(rows)
