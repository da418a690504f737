"""The pipeline at every level of degradation, with costs and a clock under control."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shortlist.v1.answer_pb2 import DEGRADATION_REASON_DEADLINE, STAGE_RERANK, STAGE_RETRIEVE, STAGE_SCORE
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import Diversity, RecommendRequest, RecommendResponse
from shortlist_server.batching.deadline import Deadline, Task
from shortlist_server.batching.levels import STAGES, StageCosts
from shortlist_server.catalog.package import Package
from shortlist_server.errors import DeadlineImpossibleError
from shortlist_server.pipeline.decode import Request
from shortlist_server.pipeline.encode import Reply
from shortlist_server.pipeline.pipeline import Pipeline

REQUEST = RecommendRequest(history=History(item_ids=["item-001"]), k=5, diversity=Diversity(strength=0.5))


class FixedCosts(StageCosts):
    """A second a stage, whatever is measured."""

    def observe(self, stage: str, num_requests: int, seconds: float) -> None:
        super().observe(stage, 1, 1.0)


def second_a_stage(costs: StageCosts) -> StageCosts:
    for stage in STAGES:
        costs.observe(stage, 1, 1.0)
    return costs


@pytest.fixture
def timed(package: Package) -> Iterator[Pipeline]:
    """A funnel whose every stage is known to take a second."""
    funnel = Pipeline(package, None, costs=second_a_stage(FixedCosts()))
    yield funnel
    funnel.close()


def answer(funnel: Pipeline, remaining_s: float) -> Reply | Exception:
    return funnel.run([Task(REQUEST, Deadline(at_s=remaining_s, clock=lambda: 0.0))])[0]


def left_out(reply: Reply | Exception) -> set[tuple[int, str]]:
    assert isinstance(reply, RecommendResponse)
    assert len(reply.items) == 5
    assert all(one.reason == DEGRADATION_REASON_DEADLINE for one in reply.degraded)
    return {(one.stage, one.source) for one in reply.degraded}


def test_each_level_names_what_it_leaves_out(timed: Pipeline) -> None:
    rerank, score = (STAGE_RERANK, "diversity"), (STAGE_SCORE, "ranker")
    retrieve = {(STAGE_RETRIEVE, "two_tower"), (STAGE_RETRIEVE, "item_neighbours")}
    assert left_out(answer(timed, 10.0)) == set()
    assert left_out(answer(timed, 8.5)) == {rerank}
    assert left_out(answer(timed, 7.5)) == {rerank, score}
    assert left_out(answer(timed, 6.5)) == {rerank, score} | retrieve


@pytest.mark.parametrize("remaining_s", [10.0, 8.5, 7.5, 6.5])
def test_caps_and_shares_hold_on_every_level(timed: Pipeline, package: Package, remaining_s: float) -> None:
    request = RecommendRequest()
    request.CopyFrom(REQUEST)
    request.k = 10
    request.caps.add(attribute="category", max_items=2)
    request.exposure_constraints.add(category="all", min_share=0.5, max_share=0.5)
    reply = timed.run([Task(request, Deadline(at_s=remaining_s, clock=lambda: 0.0))])[0]
    assert isinstance(reply, RecommendResponse)
    rows = package.catalog.rows([item.item_id for item in reply.items])
    counts = package.catalog.category_mask("all")[rows].cumsum().tolist()
    assert counts[:4] in ([0, 1, 1, 2], [1, 1, 2, 2], [1, 1, 1, 2], [0, 1, 2, 2])
    assert counts[-1] == 2
    assert all(package.catalog.category_mask(name)[rows].sum() <= 2 for name in package.catalog.category_names)


def test_what_is_left_out_does_not_count_as_a_measurement(package: Package) -> None:
    costs = second_a_stage(StageCosts())
    funnel = Pipeline(package, None, costs=costs)
    left_out(answer(funnel, 6.5))
    funnel.close()
    for stage in ("retrieve", "score", "rerank"):
        assert costs.estimate_s(stage, 1) == pytest.approx(0.98)
    assert costs.estimate_s("fuse", 1) < 0.9


def test_the_last_level_answers_with_the_fallback_source(timed: Pipeline, package: Package) -> None:
    reply = answer(timed, 6.5)
    assert isinstance(reply, RecommendResponse)
    popularity_N = package.catalog.numeric("popularity")
    found = popularity_N[package.catalog.rows([item.item_id for item in reply.items])].tolist()
    assert found == sorted(found, reverse=True)
    assert found[0] == max(popularity_N[package.catalog.available])


def test_an_urgent_request_is_degraded_alone(timed: Pipeline) -> None:
    tasks: list[Task[Request]] = [Task(REQUEST), Task(REQUEST, Deadline(at_s=6.5, clock=lambda: 0.0)), Task(REQUEST)]
    relaxed, urgent, other = timed.run(tasks)
    assert left_out(relaxed) == left_out(other) == set()
    assert (STAGE_SCORE, "ranker") in left_out(urgent)


def test_an_expired_request_is_dropped_before_any_work(timed: Pipeline) -> None:
    assert isinstance(answer(timed, -1.0), DeadlineImpossibleError)


def test_a_request_that_nobody_waits_for_is_dropped(timed: Pipeline) -> None:
    gone, wanted = timed.run([Task(REQUEST, Deadline(cancelled=lambda: True)), Task(REQUEST)])
    assert isinstance(gone, DeadlineImpossibleError)
    assert isinstance(wanted, RecommendResponse)


def test_a_deadline_that_passes_on_the_way_ends_the_request_between_stages(package: Package) -> None:
    ticks = iter([0.0] * 2 + [99.0] * 50)
    funnel = Pipeline(package, None)
    late, kept = funnel.run([Task(REQUEST, Deadline(at_s=50.0, clock=lambda: next(ticks))), Task(REQUEST)])
    funnel.close()
    assert isinstance(late, DeadlineImpossibleError)
    assert isinstance(kept, RecommendResponse)
    assert len(kept.items) == 5
