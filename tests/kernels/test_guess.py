"""Searches that guess a floor from a sample of the items: four queries or more, over more than 16,384 items."""

from typing import Any

import numpy as np
import pytest

from shortlist_kernels import VectorIndex, dispatch
from shortlist_kernels.arrays import Float32
from tests.kernels.search_cases import COMPILED, assert_same

NUM_ITEMS, DIM, NUM_QUERIES, K = 20_011, 16, 5, 100
PIECE, STRIDE = 64, 2048  # the sample is the first 64 of every 2,048 items


def vectors_with_best_at(positions: Any) -> tuple[Float32, Float32]:
    """Items and queries; the best items of each query lie at these positions, all others are far worse."""
    random = np.random.default_rng(7)
    vectors_ND = random.standard_normal((NUM_ITEMS, DIM), np.float32)
    vectors_ND[:, 0] = -np.abs(vectors_ND[:, 0])
    vectors_ND[positions, 0] = 50 + 10 * random.random(len(positions), np.float32)
    queries_QD = random.standard_normal((NUM_QUERIES, DIM), np.float32)
    queries_QD[:, 0] = 20
    return vectors_ND, queries_QD


def check(isa: str, vectors_ND: Float32, queries_QD: Float32, num_threads: int = 2, **filters: Any) -> VectorIndex:
    index = VectorIndex(DIM)
    index.add(np.random.default_rng(1).permutation(NUM_ITEMS), vectors_ND)
    with dispatch.using("reference"):
        expected = index.search(queries_QD, K, **filters)
    with dispatch.using(isa):
        assert_same(index.search(queries_QD, K, num_threads=num_threads, **filters), expected)
    return index


def searched_whole(index: VectorIndex) -> bool:
    """Whether a query of `check` was given up by the scan; those of the reference always count."""
    return bool(index.statistics()["num_exhaustive"] != NUM_QUERIES)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_a_sample_of_ordinary_items_spares_scores(isa: str, num_threads: int) -> None:
    random = np.random.default_rng(0)
    vectors_ND = random.standard_normal((NUM_ITEMS, DIM), np.float32)
    index = check(isa, vectors_ND, random.standard_normal((NUM_QUERIES, DIM), np.float32), num_threads)
    assert index.statistics()["rescore_ratio"] < 2.5
    assert not searched_whole(index)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("num_best", [20, 60, 99, 100, 128])
def test_a_sample_that_holds_the_best_items_misleads_nobody(isa: str, num_best: int) -> None:
    places = np.concatenate([np.arange(PIECE), STRIDE + np.arange(PIECE)])[:num_best]
    assert not searched_whole(check(isa, *vectors_with_best_at(places), num_threads=1))


@pytest.mark.parametrize("isa", COMPILED)
def test_a_sample_without_any_of_the_best_items_misses_none(isa: str) -> None:
    assert not searched_whole(check(isa, *vectors_with_best_at(np.arange(PIECE, PIECE + 150)), num_threads=1))


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_items_does_not_matter(isa: str, order: int) -> None:
    random = np.random.default_rng(2)
    vectors_ND = random.standard_normal((NUM_ITEMS, DIM), np.float32)
    queries_QD = np.float32(0.25) * random.standard_normal((NUM_QUERIES, DIM), np.float32)
    queries_QD[:, 0] = 1
    check(isa, vectors_ND[np.argsort(order * vectors_ND[:, 0])], queries_QD)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("num_allowed", [0, 1, 50, 99, 100, 101, 3000])
def test_a_guess_counts_only_what_is_allowed(isa: str, num_allowed: int) -> None:
    vectors_ND, queries_QD = vectors_with_best_at(np.arange(0, NUM_ITEMS, 11))
    random = np.random.default_rng(num_allowed)
    mask = np.zeros(NUM_ITEMS, np.bool_)
    mask[random.permutation(NUM_ITEMS)[:num_allowed]] = True
    check(isa, vectors_ND, queries_QD, mask=mask)
    sampled = np.arange(NUM_ITEMS) % STRIDE < PIECE
    check(isa, vectors_ND, queries_QD, mask=mask & sampled, exclude=np.arange(0, 300, 3))
    check(isa, vectors_ND, queries_QD, mask=np.stack([mask, ~mask, sampled, ~sampled, mask | sampled]))


@pytest.mark.parametrize("isa", COMPILED)
def test_equal_scores_beyond_the_guess_are_told_apart_by_id(isa: str) -> None:
    vectors_ND, queries_QD = vectors_with_best_at(np.arange(3))
    vectors_ND[::50] = vectors_ND[0]  # some 400 items that score the same
    check(isa, vectors_ND, queries_QD)
