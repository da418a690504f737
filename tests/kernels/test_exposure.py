import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from shortlist_kernels import dispatch
from shortlist_kernels.rerank import count_outside_shares, exposure
from tests.kernels.rules_cases import (
    COMPILED,
    EVERY,
    SEEDS,
    Random,
    assert_alone_as_together,
    assert_equal_on,
    drawn_scores,
    drawn_shape,
    every_order,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def drawn_shares(random: Random, num_groups: int) -> tuple[Floats, Floats]:
    """Shares that can hold together, tenths among them."""
    if random.random() < 0.5:
        mean = random.dirichlet(np.ones(num_groups))
    else:
        mean = random.multinomial(10, np.full(num_groups, 1 / num_groups)) / 10
    low, high = random.choice([0.0, 0.3, 1.0]), random.choice([0.0, 0.3, 1.0])
    return mean * (1 - low), np.minimum(mean + high, 1.0)


def outside(groups: Ints, min_share: Floats, max_share: Floats, order: tuple[int, ...], num_held: int) -> bool:
    """Whether a prefix breaks a minimum, or one of the first `num_held` a maximum, as the docstring says it."""
    counts = [0] * len(min_share)
    sizes = np.bincount(groups, minlength=len(min_share))
    for place, item in enumerate(order, start=1):
        counts[groups[item]] += 1
        for group, count in enumerate(counts):
            if count < min(math.floor(min_share[group] * place + 1e-9), sizes[group]):
                return True
            if place <= num_held and count > math.ceil(max_share[group] * place - 1e-9):
                return True
    return False


def best_by_brute_force(scores: Floats, groups: Ints, min_share: Floats, max_share: Floats, k: int) -> tuple[int, ...]:
    """Of all orders: maxima hold longest, then the largest sum, the better set, the better item place after place."""
    orders = list(every_order(scores, k))
    open_groups = groups.copy()
    open_groups[scores == -np.inf] = len(min_share)  # they count for no size
    for num_held in range(min(k, len(orders[0])), -1, -1):
        kept = [order for order in orders if not outside(open_groups, min_share, max_share, order, num_held)]
        if kept:
            break

    def merit(order: tuple[int, ...]) -> Any:
        ranks = [(-scores[item], item) for item in order]
        return -sum(scores[item] for item in order), sorted(ranks), ranks

    return min(kept, key=merit)


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=150)
@given(seed=SEEDS)
def test_no_order_that_keeps_the_shares_loses_less_relevance(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_items, num_groups = int(random.integers(1, 7)), int(random.integers(1, 4))
    scores = drawn_scores(random, (num_items,))
    groups = random.integers(0, num_groups, num_items)
    min_share, max_share = drawn_shares(random, num_groups)
    k = int(random.integers(1, 7))
    with dispatch.using(isa):
        order, lost = exposure(scores, groups, min_share, max_share, k)
    expected = best_by_brute_force(scores, groups, min_share, max_share, k)
    assert order.tolist() == [*expected, *[-1] * (k - len(expected))]
    largest = np.sort(scores)[::-1][: len(expected)].sum()
    assert lost == pytest.approx(largest - scores[list(expected)].sum(), abs=1e-12)


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_every_prefix_keeps_every_share_where_groups_are_large_enough(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_groups, k = int(random.integers(1, 7)), int(random.integers(1, 40))
    groups = random.permutation(np.repeat(np.arange(num_groups), k))
    scores = drawn_scores(random, groups.shape, barred=0.0)
    min_share, max_share = drawn_shares(random, num_groups)
    with dispatch.using(isa):
        order, _ = exposure(scores, groups, min_share, max_share, k)
    assert order.min() >= 0
    assert not outside(groups, min_share, max_share, tuple(order.tolist()), k)
    assert count_outside_shares(order, groups, min_share, max_share) == 0


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=150)
@given(seed=SEEDS)
def test_every_backend_keeps_shares_like_the_reference(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    shape, k = drawn_shape(random)
    num_groups = int(random.integers(1, 6))
    scores, groups = drawn_scores(random, shape), random.integers(0, num_groups, shape)
    shares = [drawn_shares(random, num_groups) for _ in range(shape[0])]
    min_share = np.array([low for low, _ in shares]).reshape(shape[0], num_groups)
    max_share = np.array([high for _, high in shares]).reshape(shape[0], num_groups)
    assert_equal_on(isa, lambda: exposure(scores, groups, min_share, max_share, k))


@pytest.mark.parametrize("isa", EVERY)
def test_a_minimum_brings_the_best_of_its_group_forward_as_late_as_it_may(isa: str) -> None:
    scores, groups = np.array([9, 8, 7, 6, 5, 4.0, 3.0]), np.array([0, 0, 0, 0, 0, 1, 1])
    with dispatch.using(isa):
        order, lost = exposure(scores, groups, [0, 0.3], [1, 1], 7)
        first_five, lost_in_five = exposure(scores, groups, [0, 0.3], [1, 1], 5)
    assert order.tolist() == [0, 1, 2, 5, 3, 4, 6]
    assert lost == 0
    assert first_five.tolist() == [0, 1, 2, 5, 3]
    assert lost_in_five == 1


@pytest.mark.parametrize("isa", EVERY)
def test_a_maximum_takes_each_item_as_soon_as_it_may(isa: str) -> None:
    scores, groups = np.array([9, 8, 7, 2, 1.0]), np.array([0, 0, 0, 1, 1])
    with dispatch.using(isa):
        order, lost = exposure(scores, groups, [0, 0], [0.5, 1], 4)
    assert order.tolist() == [0, 3, 1, 4]
    assert lost == 24 + 2 - (9 + 2 + 8 + 1)


@pytest.mark.parametrize("isa", EVERY)
def test_shares_are_decimals_and_not_their_nearest_doubles(isa: str) -> None:
    groups = np.arange(300) % 3
    assert 0.07 * 100 > 7
    assert 0.29 * 100 < 29
    with dispatch.using(isa):
        order, _ = exposure(-1.0 * groups, groups, [0.0, 0.0, 0.29], [0.07, 1.0, 1.0], 100)
    assert np.bincount(groups[order]).tolist() == [7, 64, 29]
    assert count_outside_shares(order, groups, [0.0, 0.0, 0.29], [0.07, 1.0, 1.0]) == 0


@pytest.mark.parametrize("isa", EVERY)
def test_a_group_that_runs_out_owes_no_more(isa: str) -> None:
    scores, groups = np.array([9, 8, 7, 6, 1.0]), np.array([0, 0, 0, 0, 1])
    with dispatch.using(isa):
        order, lost = exposure(scores, groups, [0, 0.5], [1, 1], 5)
    assert order.tolist() == [0, 4, 1, 2, 3]
    assert lost == 0
    assert count_outside_shares(order, groups, [0, 0.5], [1, 1]) == 2  # the first four and the first five


@pytest.mark.parametrize("isa", EVERY)
def test_maxima_that_nobody_can_keep_are_dropped_behind_the_last_place_where_they_hold(isa: str) -> None:
    scores, groups = np.array([9, 8, 7, 6, 1.0]), np.array([0, 0, 0, 0, 1])
    with dispatch.using(isa):
        order, lost = exposure(scores, groups, [0, 0], [0.5, 1], 5)
    assert order.tolist() == [0, 4, 1, 2, 3]
    assert lost == 0
    assert count_outside_shares(order, groups, [0, 0], [0.5, 1]) == 2  # the first four and the first five


@pytest.mark.parametrize("isa", EVERY)
def test_ties_go_to_the_smaller_position_and_barred_candidates_stay_out(isa: str) -> None:
    scores = np.array([[1, 1, 1, 1], [-np.inf, 0, -np.inf, -0.0]])
    with dispatch.using(isa):
        order, lost = exposure(scores, [[1, 0, 1, 0], [0, 0, 1, 1]], [0.5, 0.5], [1, 1], 3)
    assert order.tolist() == [[0, 1, 2], [1, 3, -1]]
    assert lost.tolist() == [0, 0]


def test_a_batch_gives_each_user_what_it_gets_alone_on_any_number_of_threads() -> None:
    random = np.random.default_rng(4)
    shares = [drawn_shares(random, 3) for _ in range(7)]
    users = {
        "scores": drawn_scores(random, (7, 30)),
        "groups": random.integers(0, 3, (7, 30)),
        "min_share": np.array([low for low, _ in shares]),
        "max_share": np.array([high for _, high in shares]),
    }
    assert_alone_as_together(exposure, users, k=12)


@pytest.mark.parametrize("isa", EVERY)
def test_nothing_to_order_gives_nothing(isa: str) -> None:
    with dispatch.using(isa):
        assert exposure(np.empty((0, 4)), np.empty((0, 4), np.int64), [0.0], [1.0], 3)[0].shape == (0, 3)
        assert exposure(np.empty(0), [], [0.0], [1.0], 2)[0].tolist() == [-1, -1]
        assert exposure(np.ones(2), [0, 0], [0.0], [1.0], 0)[0].shape == (0,)


def test_prefixes_outside_shares_are_counted_per_user() -> None:
    order, groups = np.array([[0, 1, 2], [2, 0, -1]]), np.array([[0, 0, 1], [0, 0, 1]])
    assert count_outside_shares(order, groups, [0, 0.5], [0.5, 1]).tolist() == [1, 0]
    assert count_outside_shares(order[0], groups[0], [0, 0], [1, 0]).tolist() == 1
    assert count_outside_shares(np.empty((2, 0), np.int64), groups, [0, 0], [1, 1]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([1, np.nan, 2])}, r"scores must be finite, got nan at position \(1,\)"),
        ({"scores": np.ones(3, np.int64)}, "scores must be float32 or float64 .* got int64"),
        ({"groups": [0, 1, 2]}, "groups must be within 0 to 1, got 2"),
        ({"groups": [0, 1, -1]}, "groups must be within 0 to 1, got -1"),
        ({"groups": [0, 1]}, r"groups must have shape \(3,\), got \(2,\)"),
        ({"groups": [0.0, 1.0, 1.0]}, "groups must be int64, got float64"),
        ({"groups": [[0], [0, 1]]}, "groups must be an array, got a ragged list"),
        ({"min_share": [0.1]}, r"max_share must be numbers of shape \(1,\) or \(1, 1\), got float64 of shape \(2,\)"),
        ({"min_share": [0.1, -0.1]}, "min_share must be at least 0, got -0.1"),
        ({"min_share": [0.1, np.nan]}, r"min_share must be finite, got nan at position \(1,\)"),
        ({"min_share": np.array([0.1, 0.2], np.float32)}, "min_share must be float64, .* got float32"),
        ({"max_share": [0.5, 1.5]}, "max_share must be within 0 to 1, got 1.5"),
        ({"min_share": [0.7, 0.5]}, r"min_share must sum to at most 1, got 1\.2"),
        ({"max_share": [0.3, 0.5]}, r"max_share must sum to at least 1, got 0\.8"),
        ({"min_share": [0.0, 0.5], "max_share": [1, 0.4]}, r"min_share must be at most max_share, got 0\.5 above 0\.4"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"num_threads": 0}, "num_threads must be an integer from 1 .* got 0"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "scores": np.ones(3),
        "groups": [0, 1, 1],
        "min_share": [0.0, 0.2],
        "max_share": [0.9, 1.0],
        "k": 2,
    }
    with pytest.raises(ValueError, match=message):
        exposure(**(good | change))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([0, 3], "order must be within -1 to 2, got 3"),
        ([[0, 1]], r"order must have the axes of groups, got shapes \(1, 2\) and \(3,\)"),
        ([0.0, 1.0], "order must be int64, got float64"),
    ],
)
def test_a_bad_order_is_named(order: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count_outside_shares(order, [0, 1, 1], [0.0, 0.2], [0.9, 1.0])
