"""rerank: order by value, or traded against variety; what is given up is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shortlist.v1.answer_pb2 import EXPLANATION_LEVEL_FULL
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import Diversity, RecommendRequest
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.rerank import by_value

Ask = Callable[[Any], Any]
HISTORY = History(item_ids=["item-004", "item-017", "item-033"])


def ask_diverse(ask: Ask, strength: float, k: int = 10) -> Any:
    request = RecommendRequest(
        history=HISTORY, k=k, diversity=Diversity(strength=strength), explanation_level=EXPLANATION_LEVEL_FULL
    )
    return ask(request)


def expected_order(package: Package, candidates: list[tuple[str, float]], k: int, strength: float) -> list[str]:
    """Maximal marginal relevance as the contract says it, in plain Python."""
    values = [value for _, value in candidates]
    relevance = {item_id: (value - min(values)) / (max(values) - min(values)) for item_id, value in candidates}
    rows = package.catalog.rows(list(relevance)).astype(np.int64)
    vectors = dict(zip(relevance, package.vectors["two_tower"].vectors(rows).astype(np.float64), strict=True))

    def cosine(one: str, other: str) -> float:
        norms = np.linalg.norm(vectors[one]) * np.linalg.norm(vectors[other])
        return float(vectors[one] @ vectors[other] / norms)

    chosen: list[str] = []
    while len(chosen) < k:
        left = [item_id for item_id in relevance if item_id not in chosen]
        likeness = {item_id: max((cosine(item_id, other) for other in chosen), default=0.0) for item_id in left}
        chosen.append(max(left, key=lambda item_id: (1 - strength) * relevance[item_id] - strength * likeness[item_id]))
    return chosen


def test_values_order_the_reply_ties_by_row_and_padding_is_left_out() -> None:
    values = np.array([0.5, 0.9, 0.5, -np.inf], np.float32)
    assert by_value(values, np.array([7, 3, 2, -1])).tolist() == [1, 2, 0]


def test_strength_zero_orders_by_score_and_loses_nothing(ask: Ask) -> None:
    reply = ask_diverse(ask, 0.0)
    scores = [item.score for item in reply.items]
    assert scores == sorted(scores, reverse=True)
    assert reply.relevance_lost == 0.0


@pytest.mark.parametrize("strength", [0.2, 0.7, 1.0])
def test_diversity_follows_maximal_marginal_relevance(strength: float, ask: Ask, package: Package) -> None:
    candidates = [(item.item_id, item.score) for item in ask_diverse(ask, 0.0, k=20).items]
    reply = ask_diverse(ask, strength)
    assert [item.item_id for item in reply.items] == expected_order(package, candidates, 10, strength)


def test_the_relevance_lost_is_the_difference_to_the_best(ask: Ask) -> None:
    best = sum(item.score for item in ask_diverse(ask, 0.0).items)
    reply = ask_diverse(ask, 0.7)
    assert reply.relevance_lost > 0.0
    assert reply.relevance_lost == pytest.approx(best - sum(item.score for item in reply.items))


def test_the_penalty_is_the_strength_times_the_largest_cosine_to_those_before(ask: Ask, package: Package) -> None:
    reply = ask_diverse(ask, 0.7)
    rows = package.catalog.rows([item.item_id for item in reply.items]).astype(np.int64)
    vectors = package.vectors["two_tower"].vectors(rows)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for place, item in enumerate(reply.items):
        expected = 0.7 * max((float(unit[place] @ unit[before]) for before in range(place)), default=0.0)
        assert item.reasons[-1].score_parts.diversity_penalty == pytest.approx(expected, abs=1e-5)
