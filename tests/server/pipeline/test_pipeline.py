"""The funnel as a whole: company does not matter, a bad request fails alone, a failing source is dropped by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import (
    DEGRADATION_REASON_COLD_START,
    DEGRADATION_REASON_FAILED,
    DEGRADATION_REASON_UNMET,
    EXPLANATION_LEVEL_BRIEF,
    EXPLANATION_LEVEL_FULL,
    ITEM_ERROR_REASON_DUPLICATE,
    ITEM_ERROR_REASON_UNKNOWN,
    STAGE_ENCODE,
    STAGE_FUSE,
    STAGE_QUEUE,
    STAGE_RERANK,
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
    Freshness,
    Fusion,
    FusionMethod,
    HeadWeight,
    RankRequest,
    RecommendRequest,
    RecommendResponse,
    SourceWeight,
)
from shortlist_server.batching.deadline import Task
from shortlist_server.batching.levels import StageCosts
from shortlist_server.catalog.package import Package
from shortlist_server.errors import InvalidRequestError, NotServedError
from shortlist_server.pipeline.decode import Request
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.sources import SourceQuery
from shortlist_server.pipeline.types import Allowed, Profiles, ScoresAndRows

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
        if number % 6 in (2, 3):
            request.exposure_constraints.add(category=f"c{number % 4}", min_share=0.3, max_share=0.5)
            request.calibration.strength = 0.5
        if number % 5 == 3:
            request.freshness.attribute, request.freshness.weight = "margin", 0.3
            request.context.timestamp = 10
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


def test_lists_that_diversity_orders_in_several_calls_end_alike(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [Task(request) for request in varied_requests(64)]
    whole = [content(reply) for reply in pipeline.run(tasks)]
    monkeypatch.setattr("shortlist_server.pipeline.reranking.diversity.MAX_NUMBERS", 400)  # 2 lists of 20 candidates
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
        InvalidRequestError,
        InvalidRequestError,
        RecommendResponse,
    ]


def test_a_batch_of_bad_requests_is_answered(pipeline: Pipeline) -> None:
    request = RecommendRequest(user_id="ann", boosts=[Boost(item_id="item-001", amount=1)])
    assert isinstance(pipeline.run([Task(request)])[0], NotServedError)
    assert pipeline.run([]) == []


def test_the_reply_names_every_stage_in_order_and_the_package(ask: Ask) -> None:
    reply = ask(RecommendRequest(user_id="ann"))
    assert [timing.stage for timing in reply.timings] == Stage.values()[1:]
    assert reply.package.name == "small-world"


def test_the_timings_of_encode_are_those_of_writing_the_replies(package: Package) -> None:
    costs = StageCosts()
    pipeline = Pipeline(package, None, costs=costs)
    (reply,) = pipeline.run([Task(RecommendRequest(user_id="ann", k=50), queued_ns=7_000_000)])
    pipeline.close()
    assert isinstance(reply, RecommendResponse)
    timings = {timing.stage: timing.duration_us for timing in reply.timings}
    assert timings[STAGE_QUEUE] == 7_000
    assert 0 < timings[STAGE_ENCODE] <= costs.estimate_s("encode", 1) * 1e6


def test_freshness_counts_to_the_time_of_arrival_unless_the_request_names_one(package: Package) -> None:
    pipeline = Pipeline(package, None, now=lambda: 5)
    at_five, at_two, later = (
        RecommendRequest(user_id="ann", k=60, freshness=Freshness(attribute="margin", half_life_days=1e-5, weight=1.0))
        for _ in range(3)
    )
    at_two.context.timestamp = 2
    later.context.timestamp = 5
    outcomes: list[Any] = pipeline.run([Task(one) for one in (at_five, at_two, later)])
    pipeline.close()
    newest = [margins_of(package, reply) for reply in outcomes]
    # What is of the future is as old as what is of now; the half-life is 0.864 seconds.
    assert [max(0.0, 5 - margin) for margin in newest[0]] == sorted(max(0.0, 5 - margin) for margin in newest[0])
    assert [max(0.0, 2 - margin) for margin in newest[1]] == sorted(max(0.0, 2 - margin) for margin in newest[1])
    assert newest[0] == newest[2] != newest[1]


def margins_of(package: Package, reply: RecommendResponse) -> list[float]:
    rows = package.catalog.rows([item.item_id for item in reply.items])
    margins: list[float] = package.catalog.numeric("margin")[rows].tolist()
    return margins


def test_shares_that_cannot_be_kept_are_kept_as_far_as_they_can_and_named(ask: Ask) -> None:
    request = RecommendRequest(history=History(item_ids=["item-004"]), k=10)
    request.filters.allow_item_ids.extend(["item-001", "item-002", "item-003", "item-006", "item-007"])
    request.exposure_constraints.add(category="c1", min_share=0.25)  # floor(0.25 x 5) = 1: item-001
    assert not ask(request).degraded
    request.exposure_constraints[0].min_share = 0.5
    (degraded,) = ask(request).degraded
    assert (degraded.stage, degraded.source) == (STAGE_RERANK, "exposure_constraints")
    assert degraded.reason == DEGRADATION_REASON_UNMET


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
    popularity = np.where(catalog.available, catalog.numeric("popularity"), -1)
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


class Broken(SourceQuery):
    """A query of a source that fails where it is told to, and else is the real one."""

    def __init__(self, query: SourceQuery, fails_in: str) -> None:
        self.failed_B = query.failed_B.copy()
        self._query = query
        self._fails_in = fails_in

    def retrieve(self, allowed: Allowed, k: int) -> ScoresAndRows:
        scores_BC, rows_BC = self._query.retrieve(allowed, k)
        if self._fails_in == "retrieve":
            raise RuntimeError("broken on purpose")
        if self._fails_in == "lists":
            scores_BC[-1, 0] = np.nan
        return ScoresAndRows(scores_BC, rows_BC)

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        scores_BC = self._query.score(rows_BC)
        if self._fails_in == "score":
            raise RuntimeError("broken on purpose")
        if self._fails_in == "scores":
            scores_BC[-1, 1] = np.inf
        return scores_BC


def breaking(package: Package, monkeypatch: pytest.MonkeyPatch, name: str, fails_in: str) -> None:
    (source,) = (one for one in package.sources if one.name == name)
    query = source.query

    def broken(profiles: Profiles, contexts: Sequence[Mapping[str, float]]) -> SourceQuery:
        if fails_in == "query":
            raise RuntimeError("broken on purpose")
        return Broken(query(profiles, contexts), fails_in)

    monkeypatch.setattr(source, "query", broken)


def failures(reply: Any) -> list[tuple[int, str]]:
    return [(one.stage, one.source) for one in reply.degraded if one.reason == DEGRADATION_REASON_FAILED]


@pytest.mark.parametrize(
    ("fails_in", "stage"), [("query", STAGE_RETRIEVE), ("retrieve", STAGE_RETRIEVE), ("score", STAGE_SCORE)]
)
def test_a_failing_source_is_dropped_and_named_and_the_request_is_not_lost(
    fails_in: str, stage: int, ask: Ask, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(package, monkeypatch, "two_tower", fails_in)
    reply = ask(RecommendRequest(history=History(item_ids=["item-004"]), k=10))
    assert len(reply.items) == 10
    assert [one.reason for one in reply.degraded] == [DEGRADATION_REASON_FAILED]
    assert failures(reply) == [(stage, "two_tower")]


@pytest.mark.parametrize(("fails_in", "stage"), [("lists", STAGE_RETRIEVE), ("scores", STAGE_SCORE)])
def test_a_source_that_answers_no_number_is_left_out_of_that_reply_alone(
    fails_in: str, stage: int, pipeline: Pipeline, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[Task[Request]] = [
        Task(RecommendRequest(history=History(item_ids=[item]), k=10)) for item in ("item-004", "item-017")
    ]
    sound = [content(reply) for reply in pipeline.run(tasks)]
    breaking(package, monkeypatch, "item_neighbours", fails_in)
    first, second = pipeline.run(tasks)
    assert isinstance(second, RecommendResponse)
    assert content(first) == sound[0]
    assert failures(second) == [(stage, "item_neighbours")]
    assert len(second.items) == 10
    assert all(math.isfinite(item.score) for item in second.items)


def test_a_fallback_that_fails_leaves_the_order_of_the_catalogue(
    ask: Ask, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(package, monkeypatch, "popular", "query")
    reply = ask(RecommendRequest(user_id="nobody", k=4))
    assert [item.item_id for item in reply.items] == ["item-000", "item-001", "item-002", "item-003"]
    assert failures(reply) == [(STAGE_RETRIEVE, "popular"), (STAGE_FUSE, "popular")]
