"""explain: why each item of a reply is there.

Every item gets a reason: the history items that speak for it, the sources that found it, or that it is popular. The one
exception is an item that fills a reply up in the order of the catalogue, which the reply's `degraded` tells.
Shapes: B requests, S sources, C candidates, K results, L history items, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shortlist_server.batching.levels import Level
from shortlist_server.catalog.spaces import Space
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.reranking.diversity import cosines, penalties
from shortlist_server.pipeline.sources import Source
from shortlist_server.pipeline.types import (
    PADDING,
    Batch,
    BecauseOf,
    ColdStart,
    FoundBy,
    HeadScore,
    Profiles,
    Ranking,
    Reason,
    Retrieved,
    Scored,
    ScoreParts,
)

# What the contract promises for a brief explanation: as many as fit into one line of a page.
MAX_BRIEF_CONTRIBUTIONS: Final = 3

Reasons = list[list[Reason]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """What reasons are made of, apart from the request: sources, the space of similar items, the ranker's heads."""

    sources: Sequence[Source]
    fallback: Source | None
    space: Space | None
    heads: Sequence[str]


def explain(
    batch: Batch,
    profiles: Profiles,
    retrieved: Retrieved,
    scored: Scored,
    ranking: Ranking,
    *,
    explainer: Explainer,
) -> list[Reasons]:
    """The reasons of each result of each request, strongest first; empty for requests that did not ask for them."""
    reasons: list[Reasons] = [[] for _ in batch.queries]
    for index in batch.live():
        if batch.queries[index].explanation != "none":
            answer = _Answer.of(index, batch, profiles, scored, ranking)
            because = _because_of(answer, retrieved, explainer)
            found = _found_by(answer, retrieved, scored, explainer)
            parts = _score_parts(answer, batch.level, scored, explainer)
            reasons[index] = [[*why, *who, *what] for why, who, what in zip(because, found, parts, strict=True)]
    return reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One request's results: their indices among its candidates, their rows, and the user."""

    index: int
    query: Query
    user: Profiles
    candidates_K: NDArray[np.int64]
    rows_K: NDArray[np.int64]
    history_L: NDArray[np.int64]

    @classmethod
    def of(cls, index: int, batch: Batch, profiles: Profiles, scored: Scored, ranking: Ranking) -> _Answer:
        candidates = ranking.candidates_BK[index]
        candidates_K = candidates[candidates != PADDING]
        return cls(
            index=index,
            query=batch.queries[index],
            user=profiles.take(np.array([index])),
            candidates_K=candidates_K,
            rows_K=scored.candidates.rows_BC[index, candidates_K],
            history_L=profiles.history_of(index),
        )

    @property
    def in_full(self) -> bool:
        return self.query.explanation == "full"


def _because_of(answer: _Answer, retrieved: Retrieved, explainer: Explainer) -> list[list[BecauseOf]]:
    """The exact parts of scores that sources can split; for items without any, the history items nearest by vector."""
    reasons: list[list[BecauseOf]] = [[] for _ in answer.rows_K]
    if not answer.history_L.size or not answer.rows_K.size:
        return reasons
    for source, has_answered in zip(explainer.sources, retrieved.answered_SB[:, answer.index], strict=True):
        parts_KL = source.contributions(answer.user, answer.rows_K) if has_answered else None
        if parts_KL is not None:
            for place, parts_L in enumerate(parts_KL):
                reasons[place] += _speaking_for(source.name, parts_L, answer)
    unexplained = np.array([place for place, found in enumerate(reasons) if not found], dtype=np.int64)
    if explainer.space is not None and unexplained.size:
        cosines_KL = cosines(explainer.space, answer.rows_K[unexplained], answer.history_L)
        for place, cosines_L in zip(unexplained.tolist(), cosines_KL, strict=True):
            reasons[place] += _speaking_for(explainer.space.name, cosines_L, answer)
    return reasons


def _speaking_for(source: str, parts_L: NDArray[np.float64], answer: _Answer) -> list[BecauseOf]:
    """The history items with a positive part, largest first, ties by row."""
    order = np.lexsort((answer.history_L, -parts_L))
    order = order[parts_L[order] > 0.0]
    if not answer.in_full:
        order = order[:MAX_BRIEF_CONTRIBUTIONS]
    return [BecauseOf(source, answer.history_L[order], parts_L[order])] if order.size else []


def _found_by(
    answer: _Answer, retrieved: Retrieved, scored: Scored, explainer: Explainer
) -> list[list[FoundBy | ColdStart]]:
    """The sources whose lists hold each item, best rank first."""
    found: list[list[FoundBy]] = [[] for _ in answer.rows_K]
    for source_index, source in enumerate(explainer.sources):
        listed_C = retrieved.rows_SBC[source_index, answer.index]
        places, list_indices = np.nonzero(answer.rows_K[:, None] == listed_C)
        scores = retrieved.scores_SBC[source_index, answer.index, list_indices].tolist()
        for place, list_index, score in zip(places.tolist(), list_indices.tolist(), scores, strict=True):
            found[place].append(FoundBy(source.name, list_index + 1, score))
    unlisted = [place for place, ones in enumerate(found) if not ones]
    for place, ones in zip(unlisted, _scored_by(answer, unlisted, scored, explainer), strict=True):
        found[place] += ones
    return [[_as_reason(one, answer, explainer) for one in sorted(ones, key=_rank)] for ones in found]


def _scored_by(answer: _Answer, places: Sequence[int], scored: Scored, explainer: Explainer) -> list[list[FoundBy]]:
    """For items that no source listed: the fallback source, which fills replies up, else those that scored them."""
    if not places:
        return []
    candidates = answer.candidates_K[list(places)]
    if explainer.fallback is not None:
        query = explainer.fallback.query(answer.user, (answer.query.context,))
        scores_K = query.score(answer.rows_K[None, list(places)])[0]
        ranks_K = np.maximum(candidates - scored.candidates.num_found_B[answer.index] + 1, 0)
        name = explainer.fallback.name
        return [[FoundBy(name, rank, score)] for rank, score in zip(ranks_K.tolist(), scores_K.tolist(), strict=True)]
    names = [source.name for source in explainer.sources]
    raw_KS = scored.raw_BCS[answer.index, candidates].tolist()
    return [[FoundBy(name, 0, raw) for name, raw in zip(names, raw_S, strict=True) if raw] for raw_S in raw_KS]


def _rank(found: FoundBy) -> int:
    return found.rank


def _as_reason(found: FoundBy, answer: _Answer, explainer: Explainer) -> FoundBy | ColdStart:
    """For a user without history an item of the fallback source is there because of that."""
    if explainer.fallback is not None and found.source == explainer.fallback.name and not answer.history_L.size:
        return ColdStart(found.source, found.rank, found.score)
    return found


def _score_parts(answer: _Answer, level: Level, scored: Scored, explainer: Explainer) -> list[list[ScoreParts]]:
    if not answer.in_full:
        return [[] for _ in answer.rows_K]
    penalties_K = np.zeros(len(answer.rows_K), dtype=np.float64)
    is_varied = answer.query.diversity.strength > 0.0 and level < Level.NO_RERANK and answer.rows_K.size > 0
    if is_varied and explainer.space is not None:
        penalties_K = penalties(explainer.space, answer.rows_K, answer.query.diversity)
    fused_K = scored.candidates.scores_BC[answer.index, answer.candidates_K].tolist()
    if not scored.ranked_B[answer.index]:
        pairs = zip(fused_K, penalties_K.tolist(), strict=True)
        return [[ScoreParts(fused, None, (), taken)] for fused, taken in pairs]
    values_K = scored.values_BC[answer.index, answer.candidates_K].tolist()
    probabilities_KH = scored.probabilities_BCH[answer.index, answer.candidates_K].tolist()
    return [
        [ScoreParts(fused, value, _heads(probabilities_H, answer.query, explainer), taken)]
        for fused, value, probabilities_H, taken in zip(
            fused_K, values_K, probabilities_KH, penalties_K.tolist(), strict=True
        )
    ]


def _heads(probabilities_H: Sequence[float], query: Query, explainer: Explainer) -> tuple[HeadScore, ...]:
    return tuple(map(HeadScore, explainer.heads, probabilities_H, query.head_weights_H))
