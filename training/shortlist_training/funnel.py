"""All sources together: retrieve, fuse, rank, with the operations of the server.

B queries, S sources, K results, C = num_candidates, H heads, N items.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import fuse
from shortlist_training.data.queries import Queries
from shortlist_training.sources.kinds import Allowed, Float32, Kind, Retrieved, Rows

Rank = Callable[[Queries, Rows, Float32], Float32]
"""From queries, candidates (B, C) and their raw scores (B, C, S) to the value (B, C) of each."""

_QUERIES_AT_ONCE: Final = 256  # a block of scores over 4,000 items, 4 MB, stays in the cache of a core


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Funnel:
    """The sources in the order of the manifest, how they are fused, and the ranker.

    Attributes:
        sources: by their names in the manifest.
        weights: of each source in `fuse`.
        method, norm: of `fuse`, as the kernels name them.
        allowed_N: items that may be offered.
        fallback: the name of the source that fills short lists; "" for none, which fills them in the order of rows.
        rank: None where there is no ranker.
    """

    sources: Mapping[str, Kind]
    weights: Sequence[float]
    num_candidates: int
    allowed_N: Allowed
    method: str = "weighted"
    norm: str = "minmax"
    fallback: str = ""
    rank: Rank | None = None

    def retrieve(self, queries: Queries) -> dict[str, Retrieved]:
        """Each source's best `num_candidates` unseen items, by its name."""
        return {name: self.retrieve_from(name, queries, self.num_candidates) for name in self.sources}

    def retrieve_from(self, name: str, queries: Queries, k: int) -> Retrieved:
        """The best k unseen items of one source."""
        source = self.sources[name]
        parts = queries.parts(_QUERIES_AT_ONCE)
        return _concatenate([source.retrieve(part, k, self.allowed_N) for part in parts])

    def fuse(self, lists: Mapping[str, Retrieved], weights: Sequence[float] | None = None) -> Retrieved:
        """The lists as one: scores (B, C) and rows (B, C), padded with -inf and -1."""
        ordered = [lists[name] for name in self.sources]
        num_queries = len(ordered[0][1])
        chosen = list(self.weights if weights is None else weights)
        parts = []
        for start in range(0, max(1, num_queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            rows = [rows_BK[part] for _, rows_BK in ordered]
            scores = [scores_BK[part] for scores_BK, _ in ordered]
            found = fuse(rows, scores, self.num_candidates, method=self.method, weights=chosen, norm=self.norm)
            parts.append(found)
        return _concatenate(parts)

    def fill(self, queries: Queries, fused: Retrieved, k: int) -> Retrieved:
        """Lists that hold fewer than k items get those of the fallback source, each worth a little less."""
        fused_BC, rows_BC = fused
        for query in np.flatnonzero((rows_BC[:, : min(k, rows_BC.shape[1])] < 0).any(axis=1)):
            found = int((rows_BC[query] >= 0).sum())
            one = queries.take(np.array([query]))
            more = self._fallback(one, k)
            rows = more[~np.isin(more, rows_BC[query])][: min(k, rows_BC.shape[1]) - found]
            floor = float(fused_BC[query, found - 1]) if found else 0.0
            rows_BC[query, found : found + len(rows)] = rows
            fused_BC[query, found : found + len(rows)] = floor - np.arange(1, len(rows) + 1) / (k + 1)
        return fused_BC, rows_BC

    def scores(self, queries: Queries, rows_BC: Rows) -> Float32:
        """`candidate.retrieval_scores` (B, C, S): the raw score of every source for every candidate."""
        return np.stack([source.score(queries, rows_BC) for source in self.sources.values()], axis=-1)

    def order(self, queries: Queries, fused: Retrieved) -> Retrieved:
        """The fused candidates by the ranker's value, ties by row; a user without history keeps the fused scores."""
        if self.rank is None:
            return fused
        fused_BC, rows_BC = fused
        values_BC = self.rank(queries, rows_BC, self.scores(queries, rows_BC))
        return order_by(np.where(queries.with_history_B[:, None], values_BC, fused_BC), rows_BC)

    def _fallback(self, query: Queries, k: int) -> Rows:
        if self.fallback:
            _, rows_1K = self.sources[self.fallback].retrieve(query, k + self.num_candidates, self.allowed_N)
            rows: Rows = rows_1K[0][rows_1K[0] >= 0]
            return rows
        free: Rows = np.flatnonzero(self.allowed_N)
        return np.setdiff1d(free, query.seen.rows)


def order_by(values_BC: NDArray[np.floating], rows_BC: Rows) -> Retrieved:
    """The candidates by (value descending, row ascending), padding (-1) last."""
    values_BC = np.where(rows_BC < 0, -np.inf, values_BC).astype(np.float32)
    order_BC = np.lexsort((rows_BC, -values_BC), axis=1)
    return np.take_along_axis(values_BC, order_BC, 1), np.take_along_axis(rows_BC, order_BC, 1)


def _concatenate(parts: Sequence[Retrieved]) -> Retrieved:
    scores, rows = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(rows)
