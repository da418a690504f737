"""The funnel as a whole: company does not matter, a bad request fails alone, a failing source is dropped by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from shortlist.v1.answer_pb2 import (
    DEGRADATION_REASON_COLD_START,
    DEGRADATION_REASON_FAILED,
    EXPLANATION_LEVEL_BRIEF,
    EXPLANATION_LEVEL_FULL,
    ITEM_ERROR_REASON_DUPLICATE,
    ITEM_ERROR_REASON_UNKNOWN,
    STAGE_RETRIEVE,
    STAGE_SCORE,
    Stage,
)
from shortlist.v1.filter_pb2 import Boost, Filters
from shortlist.v1.history_pb2 import EVENT_TYPE_DISLIKE, EVENT_TYPE_VIEW, History
from shortlist.v1.recommendation_pb2 import (
    AttributeCap,
    Diversity,
    DiversityMethod,
    Fusion,
    FusionMethod,
    HeadWeight,
    RankRequest,
    RecommendRequest,
    RecommendResponse,
    SourceWeight,
)
from shortlist_server.catalog.package import Package
from shortlist_server.errors import InvalidRequest, NotServed
from shortlist_server.pipeline.batch import Asked, Profiles
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.sources import Source, build_sources
from shortlist_server.pipeline.task import Task

Ask = Callable[[Any], Any]


def varied_requests(num_requests: int) -> list[RecommendRequest | RankRequest]:
    """Requests that differ in everything: history, k, candidates, filters, fusion, diversity, explanations."""
    random = np.random.default_rng(11)
    requests: list[RecommendRequest | RankRequest] = []
    for number in range(num_requests):
        items = [f"item-{row:03d}" for row in random.choice(60, random.integers(0, 14), replace=False)]
        history = History(item_ids=items, timestamps=sorted(random.integers(1, 10**9, len(items)).tolist()))
        if number % 7 == 6:
            requests.append(RankRequest(user_id="ann", history=history, item_ids=["item-001", "item-050", "item-033"]))
            continue
        request = RecommendRequest(user_id="ann", history=history, k=int(random.integers(1, 40)))
        if number % 3 == 0:
            request.diversity.strength = 0.4
            request.diversity.method = DiversityMethod.values()[number % 2 + 1]  # type: ignore[assignment]
            request.explanation_level = EXPLANATION_LEVEL_FULL
        if number % 4 == 1:
            request.num_candidates = int(random.integers(1, 60))
            request.filters.categories_any.append("c1")
        if number % 5 == 2:
            request.fusion.method = FusionMethod.values()[number % 5 + 1]  # type: ignore[assignment]
        if number % 8 in (3, 4):
            request.caps.add(attribute="category", max_items=int(random.integers(1, 12)))
        requests.append(request)
    return requests


def content(reply: Any) -> bytes:
    """The reply but for its timings, as bytes."""
    copy = type(reply)()
    copy.CopyFrom(reply)
    del copy.timings[:]
    serialized: bytes = copy.SerializeToString(deterministic=True)
    return serialized


def test_a_request_is_answered_alike_alone_and_with_63_others(pipeline: Pipeline) -> None:
    requests = varied_requests(64)
    together = pipeline.run([Task(request) for request in requests])
    backwards = pipeline.run([Task(request) for request in reversed(requests)])[::-1]
    alone = [pipeline.run([Task(request)])[0] for request in requests]
    assert [content(reply) for reply in together] == [content(reply) for reply in alone]
    assert [content(reply) for reply in backwards] == [content(reply) for reply in alone]


def test_contests_split_over_several_calls_end_alike(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [Task(request) for request in varied_requests(64)]
    whole = [content(reply) for reply in pipeline.run(tasks)]
    monkeypatch.setattr("shortlist_server.pipeline.variety.MOST_NUMBERS", 400)  # 2 contests of 20 candidates
    assert [content(reply) for reply in pipeline.run(tasks)] == whole


def test_sources_asked_in_parallel_answer_as_one_after_the_other(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [Task(request) for request in varied_requests(20)]
    serial = [content(reply) for reply in pipeline.run(tasks)]
    monkeypatch.setattr("shortlist_server.pipeline.retrieve.LEAST_PARALLEL_CELLS", 0)
    assert [content(reply) for reply in pipeline.run(tasks)] == serial


def test_a_bad_request_fails_alone(pipeline: Pipeline) -> None:
    good = RecommendRequest(user_id="ann")
    outcomes = pipeline.run([Task(good), Task(RecommendRequest(k=0)), Task(RankRequest()), Task(good)])
    assert [type(outcome) for outcome in outcomes] == [
        RecommendResponse,
        InvalidRequest,
        InvalidRequest,
        RecommendResponse,
    ]


def test_a_batch_of_bad_requests_is_answered(pipeline: Pipeline) -> None:
    request = RecommendRequest(user_id="ann", boosts=[Boost(item_id="item-001", amount=1)])
    assert isinstance(pipeline.run([Task(request)])[0], NotServed)
    assert pipeline.run([]) == []


def test_the_reply_names_every_stage_in_order_and_the_package(ask: Ask) -> None:
    reply = ask(RecommendRequest(user_id="ann"))
    assert [timing.stage for timing in reply.timings] == Stage.values()[1:]
    assert reply.package.name == "small-world"


def test_results_are_ordered_by_score_then_id(ask: Ask) -> None:
    reply = ask(RecommendRequest(history=History(item_ids=["item-004", "item-017"]), k=30))
    keys = [(-item.score, item.item_id) for item in reply.items]
    assert keys == sorted(keys)


def test_the_value_is_the_weighted_sum_of_the_heads(ask: Ask) -> None:
    request = RecommendRequest(
        history=History(item_ids=["item-004"]),
        head_weights=[HeadWeight(name="click", weight=-1.5), HeadWeight(name="purchase", weight=2.0)],
        explanation_level=EXPLANATION_LEVEL_FULL,
    )
    for item in ask(request).items:
        parts = item.reasons[-1].score_parts
        assert [head.name for head in parts.heads] == ["click", "purchase"]
        value = sum(head.weight * head.probability for head in parts.heads)
        assert item.score == parts.ranker == pytest.approx(value, abs=1e-6)


def test_an_item_has_the_same_score_in_rank_as_in_recommend(ask: Ask) -> None:
    history = History(item_ids=["item-004", "item-017"], timestamps=[1000, 900_000])
    recommended = {item.item_id: item.score for item in ask(RecommendRequest(history=history, k=20)).items}
    ranked = ask(RankRequest(history=history, item_ids=list(recommended)[::-1]))
    assert {item.item_id: item.score for item in ranked.items} == pytest.approx(recommended, abs=1e-6)


def test_more_results_than_the_ranker_has_columns_are_scored_in_several_runs(ask: Ask) -> None:
    history = History(item_ids=["item-004"])
    wide = {item.item_id: item.score for item in ask(RecommendRequest(history=history, k=50)).items}
    assert len(wide) == 50
    narrow = {item.item_id: item.score for item in ask(RecommendRequest(history=history, k=10)).items}
    assert {item_id: wide[item_id] for item_id in narrow} == pytest.approx(narrow, abs=1e-6)


def test_rank_returns_every_known_candidate_once_seen_and_unavailable_ones_too(ask: Ask) -> None:
    candidates = ["item-001", "item-005", "nope", "item-001", "item-002"]
    reply = ask(RankRequest(history=History(item_ids=["item-002"]), item_ids=candidates))
    assert {item.item_id for item in reply.items} == {"item-001", "item-005", "item-002"}
    assert [(error.item_id, error.reason) for error in reply.item_errors] == [
        ("nope", ITEM_ERROR_REASON_UNKNOWN),
        ("item-001", ITEM_ERROR_REASON_DUPLICATE),
    ]


def test_rank_of_unknown_candidates_only_is_an_answer(ask: Ask) -> None:
    reply = ask(RankRequest(user_id="ann", item_ids=["nope", "neither"]))
    assert len(reply.items) == 0
    assert len(reply.item_errors) == 2


def test_a_new_user_gets_popular_items_and_is_told_so(ask: Ask, package: Package) -> None:
    reply = ask(RecommendRequest(user_id="nobody", k=5, explanation_level=EXPLANATION_LEVEL_BRIEF))
    catalog = package.catalog
    popularity = np.where(catalog.available, catalog.popularity, -1)
    best = [catalog.item_ids[row] for row in np.argsort(-popularity, kind="stable")[:5]]
    assert [item.item_id for item in reply.items] == best
    assert [item.reasons[0].cold_start.rank for item in reply.items] == [1, 2, 3, 4, 5]
    assert {(one.stage, one.source, one.reason) for one in reply.degraded} == {
        (STAGE_RETRIEVE, "two_tower", DEGRADATION_REASON_COLD_START),
        (STAGE_RETRIEVE, "item_neighbours", DEGRADATION_REASON_COLD_START),
        (STAGE_SCORE, "ranker", DEGRADATION_REASON_COLD_START),
    }
    assert {one.detail for one in reply.degraded} == {"the history is empty"}


def test_a_user_of_unknown_items_is_told_that_none_is_in_the_catalogue(ask: Ask) -> None:
    types = [EVENT_TYPE_VIEW, EVENT_TYPE_VIEW, EVENT_TYPE_VIEW, EVENT_TYPE_DISLIKE, EVENT_TYPE_DISLIKE]
    history = History(item_ids=["other", "another", "other", "hated", "item-004"], types=types)
    reply = ask(RecommendRequest(history=history, k=5))
    assert {one.reason for one in reply.degraded} == {DEGRADATION_REASON_COLD_START}
    assert len(reply.degraded) == 3
    assert {one.detail for one in reply.degraded} == {"none of the 2 history items is in the package's catalogue"}


def test_a_source_that_is_not_asked_still_feeds_the_ranker(ask: Ask) -> None:
    history = History(item_ids=["item-004", "item-017"])
    everything = {item.item_id: item.score for item in ask(RecommendRequest(history=history, k=20)).items}
    only_popular = ask(RecommendRequest(history=history, k=5, sources=[SourceWeight(name="popular")]))
    assert not only_popular.degraded
    for item in only_popular.items:
        if item.item_id in everything:
            assert item.score == pytest.approx(everything[item.item_id], abs=1e-6)


def test_fusion_follows_the_request(ask: Ask) -> None:
    # Without history the fused score is the reply's: 0.1 / (60 + rank) for the one source that answers.
    fusion = Fusion(method="FUSION_METHOD_RECIPROCAL_RANK")
    reply = ask(RecommendRequest(user_id="nobody", k=3, fusion=fusion))
    assert [item.score for item in reply.items] == pytest.approx([0.1 / 61, 0.1 / 62, 0.1 / 63])


def test_borda_counts_the_places_below(ask: Ask) -> None:
    # One source lists all 50: 0.1 x (50 - rank + 1). Two, of weight 0.9 together, list none: 0.9 x (50 + 1) / 2.
    fusion = Fusion(method="FUSION_METHOD_BORDA")
    reply = ask(RecommendRequest(user_id="nobody", k=3, num_candidates=50, fusion=fusion))
    assert [item.score for item in reply.items] == pytest.approx([27.95, 27.85, 27.75])


def test_filters_that_allow_nothing_give_an_empty_answer(ask: Ask) -> None:
    request = RecommendRequest(
        history=History(item_ids=["item-001"]),
        filters=Filters(allow_item_ids=["nope"]),
        diversity=Diversity(strength=0.5),
        caps=[AttributeCap(attribute="category", max_items=1), AttributeCap(attribute="price", max_items=1)],
        explanation_level=EXPLANATION_LEVEL_FULL,
    )
    assert len(ask(request).items) == 0


class Broken:
    """A source that fails where it is told to, and else is the real one."""

    def __init__(self, source: Source, fails_in: str) -> None:
        self.name, self.weight, self.needs_history = source.name, source.weight, source.needs_history
        self._source = source
        self._fails_in = fails_in

    def ask(self, profiles: Profiles) -> Asked:
        if self._fails_in == "ask":
            raise RuntimeError("broken on purpose")
        asked = self._source.ask(profiles)
        if self._fails_in == "score":
            return _BrokenScore(asked)
        return asked


class _BrokenScore:
    def __init__(self, asked: Asked) -> None:
        self.retrieve = asked.retrieve

    def score(self, rows_BC: Any) -> Any:
        raise RuntimeError("broken on purpose")


@pytest.fixture(params=["ask", "score"])
def broken(request: pytest.FixtureRequest, package: Package) -> Iterator[tuple[Pipeline, str]]:
    sources = list(build_sources(package))
    sources[0] = Broken(sources[0], request.param)
    funnel = Pipeline(package, None, sources=sources)
    yield funnel, request.param
    funnel.close()


def test_a_failing_source_is_dropped_and_named_and_the_request_is_not_lost(broken: tuple[Pipeline, str]) -> None:
    funnel, fails_in = broken
    reply = funnel.run([Task(RecommendRequest(history=History(item_ids=["item-004"]), k=10))])[0]
    assert isinstance(reply, RecommendResponse)
    assert len(reply.items) == 10
    stage = STAGE_RETRIEVE if fails_in == "ask" else STAGE_SCORE
    assert [(one.stage, one.source, one.reason) for one in reply.degraded] == [
        (stage, "two_tower", DEGRADATION_REASON_FAILED)
    ]
