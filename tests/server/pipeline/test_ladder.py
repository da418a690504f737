"""The degradation ladder, with costs and a clock under control."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from shortlist.v1.answer_pb2 import DEGRADATION_REASON_DEADLINE, STAGE_RERANK, STAGE_RETRIEVE, STAGE_SCORE
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import Diversity, RecommendRequest, RecommendResponse
from shortlist_server.catalog.package import Package
from shortlist_server.errors import DeadlineImpossible
from shortlist_server.pipeline.ladder import STAGES, Level, StageCosts, choose_level
from shortlist_server.pipeline.pipeline import Pipeline, Reply, Request
from shortlist_server.pipeline.task import Deadline, Task

REQUEST = RecommendRequest(history=History(item_ids=["item-001"]), k=5, diversity=Diversity(strength=0.5))


class FixedCosts(StageCosts):
    """A second a stage, whatever is measured."""

    def observe(self, stage: str, num_requests: int, seconds: float) -> None:
        super().observe(stage, 1, 1.0)


def costs_of(**seconds: float) -> StageCosts:
    costs = StageCosts()
    for stage, duration_s in seconds.items():
        costs.observe(stage, 1, duration_s)
    return costs


@pytest.mark.parametrize(
    ("remaining_s", "level"),
    [
        (math.inf, Level.FULL),
        (16.0, Level.FULL),
        (14.0, Level.NO_RERANK),
        (6.0, Level.NO_SCORE),
        (2.0, Level.POPULAR),
        (0.5, Level.POPULAR),
    ],
)
def test_the_highest_rung_that_fits_is_chosen(remaining_s: float, level: Level) -> None:
    costs = costs_of(decode=1.0, retrieve=4.0, score=6.0, rerank=4.0)
    assert choose_level(costs, 1, remaining_s) is level


def test_nothing_is_left_out_while_nothing_was_measured() -> None:
    assert choose_level(StageCosts(), 64, 0.01) is Level.FULL


def test_costs_are_smoothed() -> None:
    costs = StageCosts(smoothing=0.5)
    costs.observe("score", 1, 1.0)
    costs.observe("score", 1, 3.0)
    assert costs.estimate_s("score", 1) == 2.0
    costs.forget()
    assert costs.estimate_s("score", 1) == 0.0


def test_a_stage_that_is_left_out_is_tried_again_after_a_stall() -> None:
    costs = costs_of(score=0.002)
    costs.observe("score", 1, 1.0)
    left_out = 0
    while choose_level(costs, 1, 0.1) is not Level.FULL:
        costs.fade("score")
        left_out += 1
    assert 5 < left_out < 100


def test_the_least_time_is_the_best_ever_of_the_stages_that_always_run() -> None:
    costs = costs_of(decode=0.5, fuse=0.25, score=9.0)
    assert costs.least_s() == 0.75
    costs.observe("decode", 1, 100.0)
    assert costs.least_s() == 0.75
    costs.observe("decode", 1, 0.125)
    assert costs.least_s() == 0.375


def test_an_unmeasured_batch_size_borrows_from_the_nearest() -> None:
    costs = StageCosts()
    costs.observe("score", 4, 1.0)
    assert costs.estimate_s("score", 7) == 1.0
    assert costs.estimate_s("score", 16) == 4.0
    assert costs.estimate_s("score", 1) == 1.0


@pytest.mark.parametrize("smoothing", [0.0, -1.0, 1.5])
def test_smoothing_outside_its_range_is_refused(smoothing: float) -> None:
    with pytest.raises(ValueError, match=str(smoothing)):
        StageCosts(smoothing)


@pytest.fixture
def timed(package: Package) -> Iterator[Pipeline]:
    """A funnel whose every stage is known to take a second."""
    costs = FixedCosts()
    for stage in STAGES:
        costs.observe(stage, 1, 1.0)
    funnel = Pipeline(package, None, costs=costs)
    yield funnel
    funnel.close()


def answer(funnel: Pipeline, remaining_s: float) -> Reply | Exception:
    return funnel.run([Task(REQUEST, Deadline(at_s=remaining_s, clock=lambda: 0.0))])[0]


def left_out(reply: Reply | Exception) -> set[tuple[int, str]]:
    assert isinstance(reply, RecommendResponse)
    assert len(reply.items) == 5
    assert all(one.reason == DEGRADATION_REASON_DEADLINE for one in reply.degraded)
    return {(one.stage, one.source) for one in reply.degraded}


def test_each_rung_names_what_it_leaves_out(timed: Pipeline) -> None:
    rerank, score = (STAGE_RERANK, ""), (STAGE_SCORE, "ranker")
    retrieve = {(STAGE_RETRIEVE, "two_tower"), (STAGE_RETRIEVE, "item_neighbours")}
    assert left_out(answer(timed, 10.0)) == set()
    assert left_out(answer(timed, 8.5)) == {rerank}
    assert left_out(answer(timed, 7.5)) == {rerank, score}
    assert left_out(answer(timed, 6.5)) == {rerank, score} | retrieve


@pytest.mark.parametrize("remaining_s", [10.0, 8.5, 7.5, 6.5])
def test_caps_hold_on_every_rung(timed: Pipeline, package: Package, remaining_s: float) -> None:
    request = RecommendRequest()
    request.CopyFrom(REQUEST)
    request.k = 10
    request.caps.add(attribute="category", max_items=2)
    reply = timed.run([Task(request, Deadline(at_s=remaining_s, clock=lambda: 0.0))])[0]
    assert isinstance(reply, RecommendResponse)
    rows = package.catalog.rows([item.item_id for item in reply.items])
    assert package.catalog.category_mask("all")[rows].sum() == 2
    assert all(package.catalog.category_mask(name)[rows].sum() <= 2 for name in package.catalog.category_names)


def test_what_is_left_out_does_not_count_as_a_measurement(package: Package) -> None:
    costs = costs_of(**dict.fromkeys(STAGES, 1.0))
    funnel = Pipeline(package, None, costs=costs)
    left_out(answer(funnel, 6.5))
    funnel.close()
    for stage in ("retrieve", "score", "rerank"):
        assert costs.estimate_s(stage, 1) == pytest.approx(0.98)
    assert costs.estimate_s("fuse", 1) < 0.9


def test_the_lowest_rung_answers_with_the_most_popular(timed: Pipeline, package: Package) -> None:
    reply = answer(timed, 6.5)
    assert isinstance(reply, RecommendResponse)
    popularity = {item_id: package.catalog.popularity[row] for row, item_id in enumerate(package.catalog.item_ids)}
    found = [popularity[item.item_id] for item in reply.items]
    assert found == sorted(found, reverse=True)
    assert found[0] == max(package.catalog.popularity[package.catalog.available])


def test_an_urgent_request_is_degraded_alone(timed: Pipeline) -> None:
    tasks: list[Task[Request]] = [Task(REQUEST), Task(REQUEST, Deadline(at_s=6.5, clock=lambda: 0.0)), Task(REQUEST)]
    relaxed, urgent, other = timed.run(tasks)
    assert left_out(relaxed) == left_out(other) == set()
    assert (STAGE_SCORE, "ranker") in left_out(urgent)


def test_an_expired_request_is_dropped_before_any_work(timed: Pipeline) -> None:
    assert isinstance(answer(timed, -1.0), DeadlineImpossible)


def test_a_request_that_nobody_waits_for_is_dropped(timed: Pipeline) -> None:
    gone, wanted = timed.run([Task(REQUEST, Deadline(cancelled=lambda: True)), Task(REQUEST)])
    assert isinstance(gone, DeadlineImpossible)
    assert isinstance(wanted, RecommendResponse)


def test_a_deadline_that_passes_on_the_way_ends_the_request_between_stages(package: Package) -> None:
    ticks = iter([0.0] * 2 + [99.0] * 50)
    funnel = Pipeline(package, None)
    late, kept = funnel.run([Task(REQUEST, Deadline(at_s=50.0, clock=lambda: next(ticks))), Task(REQUEST)])
    funnel.close()
    assert isinstance(late, DeadlineImpossible)
    assert isinstance(kept, RecommendResponse)
    assert len(kept.items) == 5
