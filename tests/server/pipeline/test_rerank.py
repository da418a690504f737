"""rerank: order by value, or traded against variety; what is given up is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import EXPLANATION_LEVEL_FULL
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import AttributeCap, Diversity, RecommendRequest
from shortlist_server.catalog.package import Package

Ask = Callable[[Any], Any]
HISTORY = History(item_ids=["item-004", "item-017", "item-033"])


def ask_diverse(
    ask: Ask, strength: float, k: int = 10, method: str = "DIVERSITY_METHOD_MMR", caps: dict[str, int] | None = None
) -> Any:
    request = RecommendRequest(
        history=HISTORY,
        k=k,
        diversity=Diversity(strength=strength, method=method),
        caps=[AttributeCap(attribute=name, max_items=most) for name, most in (caps or {}).items()],
        explanation_level=EXPLANATION_LEVEL_FULL,
    )
    return ask(request)


def names(reply: Any) -> list[str]:
    return [item.item_id for item in reply.items]


def unit_vectors(package: Package, item_ids: list[str]) -> NDArray[np.float64]:
    vectors = (
        package.spaces[package.manifest.rerank.space]
        .vectors(package.catalog.rows(item_ids).astype(np.int64))
        .astype(np.float64)
    )
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def log_determinant(vectors: NDArray[np.float64]) -> float:
    logarithm: float = np.linalg.slogdet(vectors @ vectors.T)[1]
    return logarithm


def fitting(item_ids: list[str], values: Callable[[str], set[Any]], most: int, k: int) -> list[str]:
    """The first k that fit under a cap, in plain Python."""
    chosen: list[str] = []
    for item_id in item_ids:
        taken = [value for other in chosen for value in values(other)]
        if len(chosen) < k and all(taken.count(value) < most for value in values(item_id)):
            chosen.append(item_id)
    return chosen


def expected_order(package: Package, candidates: list[tuple[str, float]], k: int, strength: float) -> list[str]:
    """Maximal marginal relevance as the contract says it, in plain Python."""
    values = [value for _, value in candidates]
    relevance = {item_id: (value - min(values)) / (max(values) - min(values)) for item_id, value in candidates}
    rows = package.catalog.rows(list(relevance)).astype(np.int64)
    vectors = dict(
        zip(relevance, package.spaces[package.manifest.rerank.space].vectors(rows).astype(np.float64), strict=True)
    )

    def cosine(one: str, other: str) -> float:
        norms = np.linalg.norm(vectors[one]) * np.linalg.norm(vectors[other])
        return float(vectors[one] @ vectors[other] / norms)

    chosen: list[str] = []
    while len(chosen) < k:
        left = [item_id for item_id in relevance if item_id not in chosen]
        likeness = {item_id: max((cosine(item_id, other) for other in chosen), default=0.0) for item_id in left}
        chosen.append(max(left, key=lambda item_id: (1 - strength) * relevance[item_id] - strength * likeness[item_id]))
    return chosen


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
    vectors = package.spaces[package.manifest.rerank.space].vectors(rows)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for place, item in enumerate(reply.items):
        expected = 0.7 * max((float(unit[place] @ unit[before]) for before in range(place)), default=0.0)
        assert item.reasons[-1].score_parts.diversity_penalty == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("strength", [0.2, 0.7, 1.0])
def test_a_determinantal_point_process_raises_its_objective_most_at_each_step(
    strength: float, ask: Ask, package: Package
) -> None:
    candidates = [(item.item_id, item.score) for item in ask_diverse(ask, 0.0, k=20).items]
    values = [value for _, value in candidates]
    relevance = {item_id: (value - min(values)) / (max(values) - min(values)) for item_id, value in candidates}

    def objective(chosen: list[str]) -> float:
        relevant: float = sum(relevance[item_id] for item_id in chosen)
        return round((1 - strength) * relevant + strength * log_determinant(unit_vectors(package, chosen)), 9)

    expected: list[str] = []
    for _ in range(6):  # of the 8 dimensions: at the end little is left to differ by
        left = [item_id for item_id in relevance if item_id not in expected]
        expected.append(max(left, key=lambda item_id: objective([*expected, item_id])))
    assert names(ask_diverse(ask, strength, k=6, method="DIVERSITY_METHOD_DPP")) == expected


def test_the_penalties_of_a_determinantal_point_process_make_up_its_determinant(ask: Ask, package: Package) -> None:
    reply = ask_diverse(ask, 0.6, k=12, method="DIVERSITY_METHOD_DPP")
    penalties = [item.reasons[-1].score_parts.diversity_penalty for item in reply.items]
    determinants = [log_determinant(unit_vectors(package, names(reply)[:count])) for count in range(1, 7)]
    assert np.cumsum(penalties[:6]) == pytest.approx(-0.6 * np.array(determinants), abs=1e-5)
    assert penalties[8:] == pytest.approx([0.6 * 10 * np.log(10)] * 4)  # 8 dimensions are used up


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("method", ["DIVERSITY_METHOD_MMR", "DIVERSITY_METHOD_DPP"])
@pytest.mark.parametrize(("most", "k"), [(1, 4), (2, 10), (3, 5)])
def test_each_place_takes_the_next_item_whose_categories_have_room(
    method: str, strength: float, most: int, k: int, ask: Ask, package: Package
) -> None:
    def categories(item_id: str) -> set[str]:
        row = package.catalog.rows([item_id])[0]
        return {name for name in package.catalog.category_names if package.catalog.category_mask(name)[row]}

    by_score = ask_diverse(ask, 0.0, k=20)
    varied = names(ask_diverse(ask, strength, k=min(2 * k, 20), method=method))
    order = varied + [item_id for item_id in names(by_score) if item_id not in varied]
    reply = ask_diverse(ask, strength, k=k, method=method, caps={"category": most})
    assert names(reply) == fitting(order, categories, most, k)
    best = [item.score for item in by_score.items][: len(reply.items)]
    assert reply.relevance_lost == pytest.approx(sum(best) - sum(item.score for item in reply.items))
    assert reply.relevance_lost >= 0.0


def test_numeric_attributes_are_capped_too(ask: Ask, package: Package) -> None:
    def margins(item_id: str) -> set[float]:
        return {float(package.catalog.numeric("margin")[package.catalog.rows([item_id])[0]])}

    uncapped = names(ask_diverse(ask, 0.0, k=20))
    assert names(ask_diverse(ask, 0.0, k=7, caps={"margin": 1})) == fitting(uncapped, margins, 1, 7)
