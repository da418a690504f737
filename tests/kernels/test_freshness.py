from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from shortlist_kernels import dispatch
from shortlist_kernels.rerank import freshness
from tests.kernels.rules_cases import (
    COMPILED,
    EVERY,
    SEEDS,
    assert_alone_as_together,
    assert_equal_on,
    drawn_scores,
    drawn_shape,
)


@pytest.mark.parametrize("isa", EVERY)
def test_the_decay_halves_with_each_half_life(isa: str) -> None:
    scores, ages = np.array([1.0, 0.5, 0.25, 0.0]), np.array([21.0, 14, 7, 0])
    with dispatch.using(isa):
        order, lost = freshness(scores, ages, 3, half_life=7, weight=0.5)
        plain, _ = freshness(scores, ages, 3, half_life=7, weight=0)
        newest, all_lost = freshness(scores, ages, 3, half_life=7, weight=1)
    # Half the score and half of 1/8, 1/4, 1/2 and 1: 0.5625, 0.375, 0.375 and 0.5.
    assert order.tolist() == [0, 3, 1]
    assert lost == 1.75 - 1.5
    assert plain.tolist() == [0, 1, 2]
    assert newest.tolist() == [3, 2, 1]
    assert all_lost == 1


@pytest.mark.parametrize("isa", EVERY)
def test_the_newer_of_two_negative_scores_wins(isa: str) -> None:
    with dispatch.using(isa):
        order, _ = freshness(np.array([-1.0, -1.0]), np.array([9, 1]), 2, half_life=3.0, weight=0.2)
    assert order.tolist() == [1, 0]


@pytest.mark.parametrize("isa", EVERY)
def test_barred_candidates_stay_out_and_ties_go_to_the_smaller_position(isa: str) -> None:
    scores = np.array([[1, -np.inf, 1, 1], [-np.inf, -np.inf, -1, -np.inf]], np.float32)
    with dispatch.using(isa):
        order, lost = freshness(scores, np.full((2, 4), 5), 3, half_life=[1, 2], weight=0.5)
    assert order.tolist() == [[0, 2, 3], [2, -1, -1]]
    assert lost.tolist() == [0, 0]


def test_ages_beyond_all_half_lives_count_nothing() -> None:
    order, _ = freshness(np.array([1.0, 2.0]), np.array([1e300, 1e6]), 2, half_life=1e-300, weight=0.5)
    assert order.tolist() == [1, 0]


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_every_backend_ages_like_the_reference(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    shape, k = drawn_shape(random)
    scores, ages = drawn_scores(random, shape), random.integers(0, 5, shape)
    weight = random.choice([0.0, 0.3, 1.0], shape[0])
    assert_equal_on(isa, lambda: freshness(scores, ages, k, 2.0, weight))


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_the_order_is_that_of_the_values_and_the_loss_that_of_the_scores(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, ages = drawn_scores(random, (20,)), random.random(20) * 9
    order, lost = freshness(scores, ages, 8, 3.0, 0.4)
    allowed = int((scores != -np.inf).sum())
    expected = np.argsort(-(0.6 * scores + 0.4 * 0.5 ** (ages / 3)), kind="stable")[: min(8, allowed)]
    values = 0.6 * scores + 0.4 * 0.5 ** (ages / 3)
    assert values[order[order >= 0]] == pytest.approx(values[expected])
    assert lost == pytest.approx(np.sort(scores)[::-1][: expected.size].sum() - scores[order[order >= 0]].sum())


def test_a_batch_gives_each_user_what_it_gets_alone_on_any_number_of_threads() -> None:
    random = np.random.default_rng(4)
    users = {
        "scores": drawn_scores(random, (7, 30)),
        "ages": random.random((7, 30)),
        "half_life": random.random(7) + 0.1,
        "weight": np.linspace(0, 1, 7),
    }
    assert_alone_as_together(freshness, users, k=12)


def test_nothing_to_order_gives_nothing() -> None:
    assert freshness(np.empty((0, 4)), np.empty((0, 4)), 3, 1, 0.5)[0].shape == (0, 3)
    assert freshness(np.empty(0), np.empty(0), 2, 1, 0.5)[0].tolist() == [-1, -1]
    assert freshness(np.ones(2), np.ones(2), 0, 1, 0.5)[0].shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([1, np.nan, 2])}, r"scores must be finite, got nan at position \(1,\)"),
        ({"ages": [1, 2]}, r"ages must be numbers of shape \(3,\), got int64 of shape \(2,\)"),
        ({"ages": [1, 2, -3]}, "ages must be at least 0, got -3"),
        ({"ages": [1, 2, np.nan]}, r"ages must be finite, got nan at position \(2,\)"),
        ({"ages": [[1], [2, 3]]}, "ages must be an array, got a ragged list"),
        ({"half_life": 0}, "half_life must be above 0, got 0"),
        ({"half_life": [1, 2]}, "half_life must be a number or 1 numbers"),
        ({"weight": -0.5}, "weight must be within 0 to 1, got -0.5"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"num_threads": 0}, "num_threads must be an integer from 1 .* got 0"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"scores": np.ones(3), "ages": [1, 2, 3], "k": 2, "half_life": 1, "weight": 0.5}
    with pytest.raises(ValueError, match=message):
        freshness(**(good | change))
