import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch
from shortlist_kernels.reference import calibration
from shortlist_kernels.rerank import calibrate
from tests.kernels.rules_cases import (
    COMPILED,
    EVERY,
    SEEDS,
    Random,
    assert_alone_as_together,
    assert_equal_on,
    drawn_scores,
    drawn_shape,
)

Floats = NDArray[np.float64]
Rows = tuple[NDArray[np.int64], NDArray[np.int64], Floats]
STRENGTHS = [0.0, 0.2, 0.5, 0.9, 1.0]


def drawn_rows(random: Random, num_items: int, num_groups: int) -> Rows:
    """Up to three groups a candidate in any order; few distinct weights, 0 among them, or all distinct."""
    counts = random.integers(0, min(3, num_groups) + 1, num_items)
    ids = [random.permutation(num_groups)[:count] for count in counts]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    weights = random.integers(0, 3, indptr[-1]) / 2.0 if random.random() < 0.7 else random.random(indptr[-1])
    return indptr, np.concatenate([np.empty(0, np.int64), *ids]), weights


def distributions(groups: Any, num_items: int, num_groups: int) -> Floats:
    """p(g | i) of each candidate, dense."""
    if not isinstance(groups, tuple):
        return np.asarray(np.eye(num_groups)[np.asarray(groups)])
    dense = np.zeros((num_items, num_groups))
    for item in range(num_items):
        entries = slice(groups[0][item], groups[0][item + 1])
        dense[item, groups[1][entries]] = groups[2][entries]
    sums = dense.sum(axis=1, keepdims=True)
    return np.asarray(dense / np.where(sums > 0, sums, 1))


def divergence(target: Floats, mixture: Floats) -> float:
    """KL(p || q~), as Steck writes it."""
    smoothed = 0.99 * mixture + 0.01 * target
    return math.fsum(p * math.log(p / q) for p, q in zip(target, smoothed, strict=True) if p > 0)


def objective(scores: Floats, dense: Floats, target: Floats, strength: float, chosen: Any) -> float:
    taken = list(chosen)
    return float(
        (1 - strength) * scores[taken].sum() - strength * divergence(target, dense[taken].sum(axis=0) / len(taken))
    )


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=100)
@given(seed=SEEDS, strength=st.sampled_from(STRENGTHS))
def test_with_one_group_each_no_other_choice_is_worth_more(isa: str, seed: int, strength: float) -> None:
    random = np.random.default_rng(seed)
    num_items, num_groups = int(random.integers(1, 9)), int(random.integers(1, 5))
    k = int(random.integers(1, num_items + 1))
    scores, groups = random.normal(size=num_items), random.integers(0, num_groups, num_items)
    target = random.dirichlet(np.full(num_groups, 0.5))
    with dispatch.using(isa):
        order, lost = calibrate(scores, groups, target, k, strength)
    dense = distributions(groups, num_items, num_groups)
    reached = objective(scores, dense, target, strength, order)
    choices = list(itertools.combinations(range(num_items), k))
    assert reached == pytest.approx(
        max(objective(scores, dense, target, strength, chosen) for chosen in choices), abs=1e-9
    )
    if 0 < strength < 1:  # the least relevance lost of all choices that resemble the target as well
        own = divergence(target, dense[order].sum(axis=0) / k)
        as_near = [c for c in choices if divergence(target, dense[list(c)].sum(axis=0) / k) <= own - 1e-9]
        assert all(scores[list(c)].sum() <= scores[order].sum() + 1e-9 for c in as_near)
    assert lost == pytest.approx(np.sort(scores)[::-1][:k].sum() - scores[order].sum(), abs=1e-9)


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, strength=st.sampled_from(STRENGTHS))
def test_with_several_groups_each_greedy_is_as_near_the_optimum_as_it_must(
    isa: str, seed: int, strength: float
) -> None:
    random = np.random.default_rng(seed)
    num_items, num_groups = int(random.integers(2, 9)), int(random.integers(2, 5))
    k = int(random.integers(1, num_items + 1))
    scores, groups = random.random(num_items), drawn_rows(random, num_items, num_groups)
    target = random.dirichlet(np.ones(num_groups))
    with dispatch.using(isa):
        order, _ = calibrate(scores, groups, target, k, strength)
    dense = distributions(groups, num_items, num_groups)
    empty = -strength * divergence(target, np.zeros(num_groups))
    reached = objective(scores, dense, target, strength, order) - empty
    largest = max(
        objective(scores, dense, target, strength, chosen) for chosen in itertools.combinations(range(num_items), k)
    )
    assert reached >= (1 - 1 / math.e) * (largest - empty) - 1e-9


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_each_step_takes_what_adds_most(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_items, num_groups, k, strength = 12, 4, 6, 0.6
    scores, groups = random.normal(size=num_items), drawn_rows(random, num_items, num_groups)
    target = random.dirichlet(np.ones(num_groups))
    with dispatch.using(isa):
        order, _ = calibrate(scores, groups, target, k, strength)
    dense = distributions(groups, num_items, num_groups)

    def value(taken: list[int]) -> float:
        return float((1 - strength) * scores[taken].sum()) - strength * divergence(target, dense[taken].sum(axis=0) / k)

    for place in range(k):
        taken = order[:place].tolist()
        best = max(value([*taken, item]) for item in range(num_items) if item not in taken)
        assert value([*taken, int(order[place])]) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("isa", EVERY)
def test_a_fully_calibrated_list_has_the_mixture_of_the_target(isa: str) -> None:
    scores, groups = np.linspace(1, 0, 40), np.repeat([0, 1, 2, 3], 10)
    with dispatch.using(isa):
        order, lost = calibrate(scores, groups, [5, 3, 2, 0], 10, 0.999)
        plain, nothing_lost = calibrate(scores, groups, [5, 3, 2, 0], 10, 0.0)
    assert np.bincount(groups[order], minlength=4).tolist() == [5, 3, 2, 0]
    assert lost == pytest.approx(scores[:10].sum() - scores[[0, 1, 2, 3, 4, 10, 11, 12, 20, 21]].sum())
    assert plain.tolist() == list(range(10))
    assert nothing_lost == 0


@pytest.mark.parametrize("isa", EVERY)
def test_a_user_without_a_target_gets_the_order_of_scores(isa: str) -> None:
    with dispatch.using(isa):
        order, lost = calibrate(np.array([1, 3, 3, 2.0]), [0, 1, 1, 0], [0, 0], 3, 0.9)
    assert order.tolist() == [1, 2, 3]
    assert lost == 0


@pytest.mark.parametrize("isa", EVERY)
def test_equal_values_go_by_score_and_then_by_position(isa: str) -> None:
    scores = np.array([1, 2, 2, -np.inf, 1])
    with dispatch.using(isa):
        order, lost = calibrate(scores, [0, 0, 0, 0, 1], [1, 1], 5, 1.0)
    assert order.tolist() == [1, 4, 2, 0, -1]
    assert lost == 0


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=150)
@given(seed=SEEDS, weighted=st.booleans())
def test_every_backend_calibrates_like_the_reference(isa: str, seed: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    shape, k = drawn_shape(random)
    num_groups = int(random.integers(1, 6))
    scores = drawn_scores(random, shape)
    groups: Any = random.integers(0, num_groups, shape)
    if weighted:
        groups = drawn_rows(random, scores.size, num_groups)
    target = random.dirichlet(np.full(num_groups, 0.3), shape[0]) * (random.random((shape[0], num_groups)) < 0.8)
    strength = random.choice(STRENGTHS, shape[0])
    assert_equal_on(isa, lambda: calibrate(scores, groups, target, k, strength))


def test_one_group_each_is_the_same_in_either_form() -> None:
    random = np.random.default_rng(5)
    scores, groups = drawn_scores(random, (3, 40)), random.integers(0, 4, (3, 40))
    rows = (np.arange(121), groups.ravel(), np.full(120, 2.5))
    for isa in EVERY:
        with dispatch.using(isa):
            answers = [calibrate(scores, form, [1, 2, 3, 4], 12, 0.7) for form in (groups, rows)]
        assert [part.tobytes() for part in answers[0]] == [part.tobytes() for part in answers[1]]


def test_a_batch_gives_each_user_what_it_gets_alone_on_any_number_of_threads() -> None:
    random = np.random.default_rng(4)
    users = {
        "scores": drawn_scores(random, (7, 30)),
        "groups": random.integers(0, 3, (7, 30)),
        "target": random.random((7, 3)),
        "strength": np.linspace(0, 1, 7),
    }
    assert_alone_as_together(calibrate, users, k=12)


def test_rows_of_a_batch_follow_one_another() -> None:
    random = np.random.default_rng(6)
    scores, rows = drawn_scores(random, (3, 20)), drawn_rows(random, 60, 4)
    together = calibrate(scores, rows, [1, 2, 3, 4], 8, 0.8, num_threads=2)
    for user in range(3):
        indptr = rows[0][20 * user : 20 * user + 21]
        entries = slice(indptr[0], indptr[-1])
        alone = calibrate(scores[user], (indptr - indptr[0], rows[1][entries], rows[2][entries]), [1, 2, 3, 4], 8, 0.8)
        assert (alone[0].tolist(), alone[1]) == (together[0][user].tolist(), together[1][user])


@pytest.mark.parametrize("isa", EVERY)
def test_nothing_to_order_gives_nothing(isa: str) -> None:
    with dispatch.using(isa):
        assert calibrate(np.empty((0, 4)), np.empty((0, 4), np.int64), [1.0], 3, 0.5)[0].shape == (0, 3)
        assert calibrate(np.empty(0), [], [1.0], 2, 0.5)[0].tolist() == [-1, -1]
        assert calibrate(np.empty(0), ([0], [], []), [1.0], 2, 0.5)[0].tolist() == [-1, -1]
        assert calibrate(np.ones(2), [0, 0], [1.0], 0, 0.5)[0].shape == (0,)


def test_the_logarithm_is_right_to_its_last_bits() -> None:
    y = np.concatenate([1 + np.logspace(-15, 14, 4001), np.nextafter(np.sqrt(0.5) * 2.0 ** np.arange(1, 40), 0)])
    expected = np.array([math.log(value) for value in y])
    assert np.abs(calibration._logarithm(y) - expected).max() <= 1e-15 * 34
    assert np.abs(calibration._logarithm(y) / expected - 1).max() <= 1e-15
    assert calibration._logarithm(np.ones(1)).tolist() == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([1, np.nan, 2])}, r"scores must be finite, got nan at position \(1,\)"),
        ({"groups": [0, 1, 2]}, "groups must be within 0 to 1, got 2"),
        ({"groups": [0, 1]}, r"groups must have shape \(3,\), got \(2,\)"),
        ({"groups": ([0, 1], [0])}, r"groups must be integers or a tuple \(indptr, groups, weights\), got 2 parts"),
        ({"groups": ([0, 1], [0], [1.0])}, "groups indptr must have 4 entries, got 2"),
        ({"groups": ([0, 1, 2, 4], [0, 1, 0], [1.0, 1, 1])}, "groups indptr must rise from 0 to 3"),
        ({"groups": ([0, 1, 2, 3], [0, 1, 5], [1.0, 1, 1])}, "groups must be within 0 to 1, got 5"),
        ({"groups": ([0, 1, 2, 3], [0, 1, 0], [1.0, 1])}, "groups weights must be 3 numbers, got float64 of shape"),
        ({"groups": ([0, 1, 2, 3], [0, 1, 0], [1.0, 1, -2])}, "groups weights must be at least 0, got -2"),
        ({"groups": ([0, 1, 2, 3], [0, 1, 0], [1.0, 1, np.inf])}, "groups weights must be finite, got inf"),
        ({"groups": ([0, 0, 1, 3], [0, 1, 1], [1.0, 1, 1])}, "groups must be distinct within a candidate"),
        ({"target": [[0.5, 0.5], [1, 0]]}, r"target must be numbers of shape \(G,\) or \(1, G\), got .* \(2, 2\)"),
        ({"target": [0.5, -0.5]}, "target must be at least 0, got -0.5"),
        ({"target": [0.5, np.nan]}, "target must be finite, got nan"),
        ({"target": [[0.5], [0.5, 1]]}, "target must be an array, got a ragged list"),
        ({"strength": 1.5}, "strength must be within 0 to 1, got 1.5"),
        ({"strength": np.nan}, "strength must not be NaN, got nan"),
        ({"strength": [0.5, 0.5]}, "strength must be a number or 1 numbers"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"num_threads": 0}, "num_threads must be an integer from 1 .* got 0"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "scores": np.ones(3),
        "groups": [0, 1, 1],
        "target": [0.5, 0.5],
        "k": 2,
        "strength": 0.5,
    }
    with pytest.raises(ValueError, match=message):
        calibrate(**(good | change))
