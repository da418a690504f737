"""The levels of degradation, with costs and a clock under control."""

from __future__ import annotations

import math

import pytest

from shortlist_server.batching.levels import SKIPPED, Level, StageCosts, Stopwatch, choose_level


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
        (2.0, Level.FALLBACK),
        (0.5, Level.FALLBACK),
    ],
)
def test_the_fullest_level_that_fits_is_chosen(remaining_s: float, level: Level) -> None:
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


def test_a_stopwatch_keeps_the_order_of_the_stages_and_teaches_the_costs_of_those_that_ran() -> None:
    costs = costs_of(rerank=100.0)
    watch = Stopwatch(costs, 1, before_ns=[("decode", 7)], skipped=SKIPPED[Level.NO_RERANK])
    for stage in ("score", "rerank"):
        with watch.stage(stage):
            pass
    assert [stage for stage, _ in watch.timings_ns] == ["decode", "score", "rerank"]
    assert watch.timings_ns[0] == ("decode", 7)
    assert costs.estimate_s("score", 1) > 0.0
    assert costs.estimate_s("rerank", 1) == 98.0
    assert costs.estimate_s("decode", 1) == 0.0
