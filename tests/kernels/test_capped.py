import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from shortlist_kernels import dispatch
from shortlist_kernels.rerank import capped, count_over_caps
from tests.kernels.rules_cases import (
    COMPILED,
    EVERY,
    SEEDS,
    assert_alone_as_together,
    assert_equal_on,
    drawn_scores,
    drawn_shape,
    every_order,
)

SCORES = np.array([9, 8, 7, 6, 5, 4.0])


@pytest.mark.parametrize("isa", EVERY)
def test_caps_hold_in_the_order_of_scores(isa: str) -> None:
    with dispatch.using(isa):
        order, lost = capped(SCORES, [0, 0, 0, 1, 1, 2], [2, 1, 9], 4)
        every = capped(SCORES, [0, 0, 0, 1, 1, 2], 1, 3)
    assert order.tolist() == [0, 1, 3, 5]
    assert lost == 30 - 27
    assert every[0].tolist() == [0, 3, 5]


@pytest.mark.parametrize("isa", EVERY)
def test_several_attributes_are_capped_at_once_and_no_value_is_free(isa: str) -> None:
    artists, genres = np.array([7, 7, -1, 8, 8, -1]), np.array([0, 1, 0, 0, 1, -1])
    with dispatch.using(isa):
        order, _ = capped(SCORES, (artists, genres), (1, [2, 1]), 5)
    assert order.tolist() == [0, 2, 4, 5, -1]


@pytest.mark.parametrize("isa", EVERY)
def test_each_value_of_a_candidate_that_has_several_counts_once(isa: str) -> None:
    genres = np.array([[0, 1, -1], [1, 1, -1], [-1, 2, 0], [2, 2, 2], [-1, -1, -1], [0, 1, 2]])
    with dispatch.using(isa):
        order, lost = capped(SCORES, genres, 1, 6)
        twice, _ = capped(
            np.tile(SCORES, (2, 1)), (np.stack([genres, genres[::-1]]), np.zeros((2, 6), np.int64)), (1, 2), 3
        )
    assert order.tolist() == [0, 3, 4, -1, -1, -1]  # genres 0 and 1; 2; none
    assert lost == 24 - 20
    assert count_over_caps([0, 1, 2, 3], genres, 1) == 3
    assert twice.tolist() == [[0, 3, -1], [0, 1, -1]]


@pytest.mark.parametrize("isa", EVERY)
def test_a_window_caps_any_places_in_a_row(isa: str) -> None:
    with dispatch.using(isa):
        order, lost = capped(SCORES, [0, 0, 0, 0, 1, 2], 1, 6, window=2)
    assert order.tolist() == [0, 4, 1, 5, 2, -1]  # the last of group 0 would follow one of its own
    assert lost == 35 - 33


@pytest.mark.parametrize("isa", EVERY)
def test_displacement_is_bounded_and_caps_yield_to_it(isa: str) -> None:
    groups = [0, 0, 0, 0, 1, 1]
    with dispatch.using(isa):
        near, _ = capped(SCORES, groups, 1, 6, max_displacement=2)
        none, lost = capped(SCORES, groups, 1, 6, max_displacement=0)
    # Place 1: nothing up to rank 3 fits. Place 2: rank 4 may come and fits. Then ranks are due or nobody fits.
    assert near.tolist() == [0, 1, 4, 2, 3, 5]
    assert count_over_caps(near, groups, 1) == 4
    assert none.tolist() == [0, 1, 2, 3, 4, 5]
    assert lost == 0


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=100)
@given(seed=SEEDS)
def test_no_candidate_moves_further_than_the_bound(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_items, k, bound = int(random.integers(1, 30)), int(random.integers(1, 30)), int(random.integers(0, 6))
    scores = drawn_scores(random, (num_items,))
    groups = (random.integers(-1, 4, num_items), random.integers(-1, 3, num_items))
    window = None if random.random() < 0.5 else int(random.integers(1, 8))
    with dispatch.using(isa):
        order, _ = capped(scores, groups, (1, 2), k, bound, window)
    ranked = np.argsort(-scores, kind="stable")[: (scores != -np.inf).sum()].tolist()
    places = {item: place for place, item in enumerate(order.tolist()) if item >= 0}
    assert len(places) == min(k, len(ranked))
    for rank, item in enumerate(ranked):
        assert abs(places[item] - rank) <= bound if item in places else rank >= k - bound


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=100)
@given(seed=SEEDS)
def test_without_a_bound_caps_hold_in_every_window(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_items, k, window = int(random.integers(1, 30)), int(random.integers(1, 30)), int(random.integers(1, 8))
    scores, groups = drawn_scores(random, (num_items,)), random.integers(-1, 4, num_items)
    caps = random.integers(0, 3, 4)
    with dispatch.using(isa):
        order, _ = capped(scores, groups, caps, k, window=window)
    taken = groups[order[order >= 0]]
    for start, group in itertools.product(range(len(taken)), range(4)):
        assert (taken[start : start + window] == group).sum() <= caps[group]
    assert count_over_caps(order, groups, caps, window) == 0


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_one_attribute_is_capped_with_the_least_relevance_lost(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_items, k = int(random.integers(1, 7)), int(random.integers(1, 6))
    scores, groups = np.abs(drawn_scores(random, (num_items,), barred=0.0)), random.integers(0, 3, num_items)
    caps = random.integers(0, 3, 3)
    with dispatch.using(isa):
        order, _ = capped(scores, groups, caps, k)
    taken = order[order >= 0]
    sums = [
        sum(scores[list(chosen)])
        for size in range(k + 1)
        for chosen in every_order(scores, size)
        if (np.bincount(groups[list(chosen)], minlength=3) <= caps).all()
    ]
    assert sum(scores[taken]) == pytest.approx(max(sums))


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=150)
@given(seed=SEEDS)
def test_every_backend_caps_like_the_reference(isa: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    shape, k = drawn_shape(random)
    scores = drawn_scores(random, shape)
    groups = (random.integers(-1, 5, shape), random.integers(-1, 3, (*shape, int(random.integers(0, 4)))))
    caps = (int(random.integers(0, 4)), random.integers(0, 4, 3))
    bound = None if random.random() < 0.5 else int(random.integers(0, 8))
    window = None if random.random() < 0.5 else int(random.integers(1, 12))
    assert_equal_on(isa, lambda: capped(scores, groups, caps, k, bound, window))


@pytest.mark.parametrize("isa", EVERY)
def test_a_list_that_ends_early_leaves_nothing_to_the_next_user(isa: str) -> None:
    groups = np.array([[0, 0, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]])
    with dispatch.using(isa):
        order, _ = capped(np.tile(SCORES, (2, 1)), groups, 1, 6, window=2)
    assert order.tolist() == [[0, 4, 1, -1, -1, -1], [0, -1, -1, -1, -1, -1]]


@pytest.mark.parametrize("isa", EVERY)
def test_values_may_be_any_numbers_under_one_cap(isa: str) -> None:
    far = 2**40
    with dispatch.using(isa):
        order, _ = capped(SCORES, np.array([far, far, -1, far + 1, far, -1]), 1, 6)
    assert order.tolist() == [0, 2, 3, 5, -1, -1]
    assert count_over_caps([0, 1, 2, 4], np.array([far, far, -1, far + 1, far, -1]), 1) == 2


@pytest.mark.parametrize("isa", EVERY)
def test_ties_go_to_the_smaller_position_and_barred_candidates_stay_out(isa: str) -> None:
    scores = np.array([[1, 1, 1, 1], [-np.inf, 0, -np.inf, -0.0]])
    with dispatch.using(isa):
        order, lost = capped(scores, np.array([[0, 0, 1, 2], [0, 0, 0, 0]]), 1, 3)
    assert order.tolist() == [[0, 2, 3], [1, -1, -1]]
    assert lost.tolist() == [0, 0]


def test_a_batch_gives_each_user_what_it_gets_alone_on_any_number_of_threads() -> None:
    random = np.random.default_rng(4)
    users = {"scores": drawn_scores(random, (7, 30)), "groups": random.integers(-1, 3, (7, 30))}
    assert_alone_as_together(lambda **given: capped(**given, caps=2, max_displacement=4, window=5), users, k=12)


@pytest.mark.parametrize("isa", EVERY)
def test_nothing_to_order_gives_nothing(isa: str) -> None:
    with dispatch.using(isa):
        assert capped(np.empty((0, 4)), np.empty((0, 4), np.int64), 1, 3)[0].shape == (0, 3)
        assert capped(np.empty(0), [], [], 2)[0].tolist() == [-1, -1]
        assert capped(np.ones(2), [0, 0], 1, 0)[0].shape == (0,)
        assert capped(np.ones(2), [0, 0], 0, 1)[0].tolist() == [-1]


def test_places_over_caps_are_counted_per_user() -> None:
    order, groups = np.array([[0, 1, 2], [2, 0, -1]]), np.array([[0, 0, 0], [0, 0, 1]])
    assert count_over_caps(order, groups, 1).tolist() == [2, 0]
    assert count_over_caps(order, groups, [1, 0]).tolist() == [2, 1]
    assert count_over_caps(order, (groups, groups), (1, 3), window=1).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([1, np.inf, 2])}, "scores must be finite, got inf"),
        ({"groups": [0, 1, -2]}, "groups must be within -1 to .* got -2"),
        ({"groups": [0, 1, 2], "caps": [1, 1]}, "groups must be within -1 to 1, got 2"),
        ({"groups": ([0, 1, 1], [0, 1]), "caps": (1, 1)}, r"groups\[1\] must have shape \(3,\), got \(2,\)"),
        ({"groups": ([0, 1, 1], [[0], [1, 2]]), "caps": (1, 1)}, r"groups\[1\] must be an array, got a ragged list"),
        ({"groups": [[0, 1], [1, 2]]}, r"groups must have shape \(3, 2\), got \(2, 2\)"),
        ({"groups": ()}, "groups must be integers or a tuple of arrays, got an empty tuple"),
        ({"groups": ([0, 1, 1],), "caps": 1}, "caps must be a tuple of 1, one per array of groups, got 1"),
        ({"caps": -1}, "caps must be within 0 to .* got -1"),
        ({"caps": [[1]]}, "caps must have 1 axes, got shape"),
        ({"caps": 0.5}, "caps must be int64, got float64"),
        ({"window": 0}, "window must be an integer from 1 .* got 0"),
        ({"max_displacement": -1}, "max_displacement must be an integer from 0 .* got -1"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"num_threads": 1.5}, "num_threads must be an integer, got 1.5"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"scores": np.ones(3), "groups": [0, 1, 1], "caps": 1, "k": 2}
    with pytest.raises(ValueError, match=message):
        capped(**(good | change))


def test_a_bad_order_is_named() -> None:
    with pytest.raises(ValueError, match="order must be within -1 to 2, got 3"):
        count_over_caps([0, 3], [0, 1, 1], 1)
    with pytest.raises(ValueError, match="order must have the axes of groups"):
        count_over_caps([[0, 1]], [0, 1, 1], 1)
