"""explain: why each item of a reply is there; the contract's Reason is the domain's too.

Every item gets a reason: the history items that speak for it, the sources that found it, or that it is popular.
Shapes: B requests, S sources, C candidates, K results, L history items, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import (
    EXPLANATION_LEVEL_BRIEF,
    EXPLANATION_LEVEL_FULL,
    BecauseOf,
    ColdStart,
    Contribution,
    FoundBy,
    HeadScore,
    Reason,
    ScoreParts,
)
from shortlist_kernels import VectorIndex
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.batch import PADDING, Batch, Profiles, Ranking, Retrieved, Scored
from shortlist_server.pipeline.because import diversity_penalties, likeness, neighbour_contributions
from shortlist_server.pipeline.ladder import Level
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.sources import Source
from shortlist_server.pipeline.sources.item_neighbours import ItemNeighbours
from shortlist_server.pipeline.sources.popular import Popular

MAX_BRIEF_CONTRIBUTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """What reasons are made of, apart from the request. `vectors_source` names the source of the item vectors."""

    catalog: Catalog
    sources: Sequence[Source]
    popular: Popular
    vectors: VectorIndex
    vectors_source: str
    heads: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One request's results: positions among its candidates, rows, and the user's history."""

    request: int
    query: Query
    positions_K: NDArray[np.int64]
    rows_K: NDArray[np.int64]
    history_L: NDArray[np.int64]

    @property
    def in_full(self) -> bool:
        return self.query.explanation == EXPLANATION_LEVEL_FULL


def explain(
    batch: Batch,
    profiles: Profiles,
    retrieved: Retrieved,
    scored: Scored,
    ranking: Ranking,
    *,
    explainer: Explainer,
) -> list[list[list[Reason]]]:
    """The reasons of each result of each request, strongest first; empty for requests that did not ask for them."""
    reasons: list[list[list[Reason]]] = [[] for _ in batch.queries]
    for request in batch.live():
        query = batch.queries[request]
        if query.explanation in (EXPLANATION_LEVEL_BRIEF, EXPLANATION_LEVEL_FULL):
            answer = _answer(request, query, profiles, scored, ranking)
            found = _found_by(answer, retrieved, scored, explainer)
            parts = _score_parts(answer, scored, batch.level, explainer)
            because = _because_of(answer, explainer)
            reasons[request] = [[*why, *who, *what] for why, who, what in zip(because, found, parts, strict=True)]
    return reasons


def _answer(request: int, query: Query, profiles: Profiles, scored: Scored, ranking: Ranking) -> _Answer:
    positions = ranking.positions_BK[request]
    positions_K = positions[positions != PADDING]
    history = profiles.history_rows_BL[request]
    return _Answer(
        request=request,
        query=query,
        positions_K=positions_K,
        rows_K=scored.rows_BC[request, positions_K],
        history_L=history[history != PADDING],
    )


def _because_of(answer: _Answer, explainer: Explainer) -> list[list[Reason]]:
    """The exact parts of neighbour scores; for items without any, the history items that are most alike by vector."""
    reasons: list[list[Reason]] = [[] for _ in answer.rows_K]
    if not answer.history_L.size or not answer.rows_K.size:
        return reasons
    for source in explainer.sources:
        if isinstance(source, ItemNeighbours):
            parts_KL = neighbour_contributions(source, answer.history_L, answer.rows_K)
            for place, parts_L in enumerate(parts_KL):
                reasons[place] += _speaking_for(source.name, parts_L, answer, explainer.catalog)
    strangers = np.array([place for place, found in enumerate(reasons) if not found], dtype=np.int64)
    if strangers.size:
        cosines_KL = likeness(explainer.vectors, answer.rows_K[strangers], answer.history_L)
        for place, cosines_L in zip(strangers, cosines_KL, strict=True):
            reasons[place] += _speaking_for(explainer.vectors_source, cosines_L, answer, explainer.catalog)
    return reasons


def _speaking_for(source: str, parts_L: NDArray[np.float64], answer: _Answer, catalog: Catalog) -> list[Reason]:
    """The history items with a positive part, largest first, ties by row."""
    order = np.lexsort((answer.history_L, -parts_L))
    order = order[parts_L[order] > 0.0]
    if not answer.in_full:
        order = order[:MAX_BRIEF_CONTRIBUTIONS]
    contributions = [
        Contribution(item_id=catalog.item_ids[row], title=catalog.titles[row], contribution=part)
        for row, part in zip(answer.history_L[order], parts_L[order].tolist(), strict=True)
    ]
    return [Reason(because_of=BecauseOf(source=source, contributions=contributions))] if contributions else []


def _found_by(answer: _Answer, retrieved: Retrieved, scored: Scored, explainer: Explainer) -> list[list[Reason]]:
    """The sources whose lists hold each item, best rank first."""
    found: list[list[FoundBy]] = [[] for _ in answer.rows_K]
    for number, source in enumerate(explainer.sources):
        hits_KC = answer.rows_K[:, None] == retrieved.rows_SBC[number, answer.request]
        places_K, positions_K = np.nonzero(hits_KC)
        scores_K = retrieved.scores_SBC[number, answer.request, positions_K].tolist()
        for place, position, score in zip(places_K.tolist(), positions_K.tolist(), scores_K, strict=True):
            found[place].append(FoundBy(source=source.name, rank=position + 1, score=score))
    for place, row in enumerate(answer.rows_K):
        if not found[place]:
            found[place].append(_filled_in(answer, place, int(row), scored, explainer.popular))
        found[place].sort(key=lambda one: one.rank)
    return [[_as_reason(one, answer, explainer.popular) for one in ones] for ones in found]


def _filled_in(answer: _Answer, place: int, row: int, scored: Scored, popular: Popular) -> FoundBy:
    """An item that no source listed: the popular ones that fill a reply up."""
    rank = max(0, int(answer.positions_K[place] - scored.num_found_B[answer.request]) + 1)
    score = popular.score(np.array([[row]]))
    return FoundBy(source=popular.name, rank=rank, score=float(score[0, 0]))


def _as_reason(found: FoundBy, answer: _Answer, popular: Popular) -> Reason:
    """For a user without history a popular item is there because of that."""
    if found.source == popular.name and not answer.history_L.size:
        return Reason(cold_start=ColdStart(source=found.source, rank=found.rank, score=found.score))
    return Reason(found_by=found)


def _score_parts(answer: _Answer, scored: Scored, level: Level, explainer: Explainer) -> list[list[Reason]]:
    if not answer.in_full:
        return [[] for _ in answer.rows_K]
    penalties_K = np.zeros(len(answer.rows_K), dtype=np.float64)
    if answer.query.diversity.strength > 0.0 and level < Level.NO_RERANK and answer.rows_K.size:
        penalties_K = diversity_penalties(explainer.vectors, answer.rows_K, answer.query.diversity)
    reasons = []
    for place, position in enumerate(answer.positions_K):
        parts = ScoreParts(
            fused=float(scored.fused_BC[answer.request, position]), diversity_penalty=float(penalties_K[place])
        )
        if scored.ranked_B[answer.request]:
            parts.ranker = float(scored.values_BC[answer.request, position])
            probabilities_H = scored.probabilities_BCH[answer.request, position].tolist()
            for name, probability, weight in zip(
                explainer.heads, probabilities_H, answer.query.head_weights_H, strict=True
            ):
                parts.heads.append(HeadScore(name=name, probability=probability, weight=weight))
        reasons.append([Reason(score_parts=parts)])
    return reasons
