"""explain: every item has a reason, and the exact ones add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shortlist.v1.answer_pb2 import EXPLANATION_LEVEL_BRIEF, EXPLANATION_LEVEL_FULL, EXPLANATION_LEVEL_NONE
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import RankRequest, RecommendRequest, SourceWeight
from shortlist_server.catalog.package import Package

Ask = Callable[[Any], Any]
HISTORY = History(item_ids=[f"item-{row:03d}" for row in (4, 17, 33, 8, 21, 40)])


def test_contributions_of_the_history_add_up_to_the_source_score(ask: Ask) -> None:
    reply = ask(RecommendRequest(history=HISTORY, k=20, explanation_level=EXPLANATION_LEVEL_FULL))
    checked = 0
    for item in reply.items:
        found = [one.found_by for one in item.reasons if one.found_by.source == "item_neighbours"]
        if found:
            (because,) = (one.because_of for one in item.reasons if one.because_of.source == "item_neighbours")
            total = sum(part.contribution for part in because.contributions)
            assert total == pytest.approx(found[0].score, abs=1e-6)
            assert {part.item_id for part in because.contributions} <= set(HISTORY.item_ids)
            checked += 1
    assert checked >= 5


def test_brief_names_at_most_three_history_items_largest_first(ask: Ask) -> None:
    reply = ask(RecommendRequest(history=HISTORY, k=20, explanation_level=EXPLANATION_LEVEL_BRIEF))
    lengths = set()
    for item in reply.items:
        for reason in item.reasons:
            assert not reason.HasField("score_parts")
            parts = [part.contribution for part in reason.because_of.contributions]
            assert parts == sorted(parts, reverse=True)
            lengths.add(len(parts))
    assert max(lengths) == 3


def test_titles_come_with_the_history_items(ask: Ask) -> None:
    reply = ask(RecommendRequest(history=HISTORY, k=1, explanation_level=EXPLANATION_LEVEL_BRIEF))
    (part, *_) = reply.items[0].reasons[0].because_of.contributions
    assert part.title == f"Title of {part.item_id}"


def test_an_item_without_neighbours_in_the_history_names_the_most_similar_by_vector(ask: Ask, package: Package) -> None:
    request = RankRequest(
        history=History(item_ids=["item-001"]),
        item_ids=[f"item-{row:03d}" for row in range(60)],
        explanation_level=EXPLANATION_LEVEL_BRIEF,
    )
    sources = {
        reason.because_of.source
        for item in ask(request).items
        for reason in item.reasons
        if reason.HasField("because_of")
    }
    assert sources == {"item_neighbours", package.manifest.rerank.space}


@pytest.mark.parametrize("level", [EXPLANATION_LEVEL_BRIEF, EXPLANATION_LEVEL_FULL])
@pytest.mark.parametrize("source", ["two_tower", "item_neighbours", "popular", None])
@pytest.mark.parametrize("history", [HISTORY, History()], ids=["known user", "new user"])
def test_every_item_has_a_reason_whatever_found_it(level: int, source: str | None, history: History, ask: Ask) -> None:
    request = RecommendRequest(
        user_id="ann",
        history=history,
        k=60,
        explanation_level=level,  # type: ignore[arg-type]
        sources=[SourceWeight(name=source)] if source else [],
    )
    reply = ask(request)
    assert len(reply.items) > 40
    for item in reply.items:
        kinds = [reason.WhichOneof("kind") for reason in item.reasons]
        assert {"found_by", "cold_start"} & set(kinds)
        assert ("score_parts" in kinds) == (level == EXPLANATION_LEVEL_FULL)
        assert ("cold_start" in kinds) == (not history.item_ids)


def test_ranks_are_places_in_the_list_of_the_source(ask: Ask) -> None:
    request = RecommendRequest(history=HISTORY, k=20, explanation_level=EXPLANATION_LEVEL_BRIEF)
    ranks: dict[str, list[tuple[int, float]]] = {}
    for item in ask(request).items:
        for reason in item.reasons:
            if reason.HasField("found_by"):
                ranks.setdefault(reason.found_by.source, []).append((reason.found_by.rank, reason.found_by.score))
    for pairs in ranks.values():
        pairs.sort()
        assert pairs[0][0] == 1
        assert [score for _, score in pairs] == sorted((score for _, score in pairs), reverse=True)


def test_no_reasons_unless_asked_for(ask: Ask) -> None:
    for level in (EXPLANATION_LEVEL_NONE, 0):
        reply = ask(RecommendRequest(history=HISTORY, explanation_level=level))  # type: ignore[arg-type]
        assert all(not item.reasons for item in reply.items)
