import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch
from shortlist_kernels.rerank import mmr
from tests.kernels.diversity_cases import COMPILED, EVERY, assert_same_as_reference


def greedy(vectors: NDArray[Any], scores: NDArray[Any], k: int, diversity: float) -> list[int]:
    """MMR read off its definition, with a whole matrix of cosines."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    taken: list[int] = []
    while len(taken) < min(k, len(scores)):
        open_positions = [i for i in range(len(scores)) if i not in taken]
        values = [
            (1 - diversity) * scores[i] - diversity * max((cosines[i, j] for j in taken), default=0)
            for i in open_positions
        ]
        taken.append(open_positions[int(np.argmax(values))])
    return taken


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.9])
def test_mmr_takes_what_its_definition_takes(isa: str, diversity: float) -> None:
    random = np.random.default_rng(8)
    vectors, scores = random.standard_normal((40, 12), np.float32), random.random(40)
    with dispatch.using(isa):
        order, lost = mmr(vectors, scores, 15, diversity)
    assert order.tolist() == greedy(vectors.astype(np.float64), scores, 15, diversity)
    assert lost == pytest.approx(np.sort(scores)[::-1][:15].sum() - scores[order].sum())


@pytest.mark.parametrize("isa", EVERY)
def test_full_diversity_spreads_over_directions(isa: str) -> None:
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [-1, 0]], np.float32)
    with dispatch.using(isa):
        order, _ = mmr(vectors, np.array([4, 3, 2, 1], np.float32), 3, 1.0)
    assert order.tolist() == [0, 3, 2]


@pytest.mark.parametrize("isa", EVERY)
def test_no_diversity_keeps_the_order_of_scores_and_loses_nothing(isa: str) -> None:
    scores = np.array([[1, 3, 3, 2], [0, -np.inf, -1, -np.inf]], np.float32)
    with dispatch.using(isa):
        order, lost = mmr(np.ones((2, 4, 2), np.float32), scores, 3, 0.0)
    assert order.tolist() == [[1, 2, 3], [0, 2, -1]]
    assert lost.tolist() == [0, 0]


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_every_backend_reranks_real_values_like_the_reference(isa: str, data: st.DataObject) -> None:
    """Vectors that fill their space, gather in clusters or repeat, so that bounds are tight, loose or tie."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    num_items, dim, num_clusters = (data.draw(st.integers(1, limit)) for limit in (200, 70, 40))
    vectors = random.standard_normal((num_clusters, dim))[random.integers(0, num_clusters, num_items)]
    vectors += data.draw(st.sampled_from([0, 0.1, 1])) * random.standard_normal((num_items, dim))
    scores = data.draw(st.sampled_from([0, 0.1, 10])) * random.standard_normal(num_items)
    scores = np.round(scores, data.draw(st.sampled_from([0, 1, 12])))
    k, diversity = data.draw(st.integers(1, num_items)), data.draw(st.floats(0, 1))
    assert_same_as_reference(isa, mmr, vectors.astype(np.float32), scores, k, diversity)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("diversity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("value", [0, 1, -1])
def test_vectors_all_alike_go_by_score_and_position(isa: str, diversity: float, value: float) -> None:
    scores = np.array([-2, 1, -2, 1, 3, -5, 3], np.float64)
    vectors = np.full((7, 9), value, np.float32)
    with dispatch.using(isa):
        order, _ = mmr(vectors, scores, 7, diversity)
    by_score = [4, 6, 1, 3, 0, 2, 5]
    assert order.tolist() == (by_score if diversity < 1 else list(range(7)))
    assert_same_as_reference(isa, mmr, vectors, scores, 7, diversity)


@pytest.mark.parametrize("isa", COMPILED)
def test_equal_values_go_to_the_smaller_position_whoever_led_before(isa: str) -> None:
    """Pairs of candidates with the same vector and score: the second was the likely one when the first was taken."""
    random = np.random.default_rng(12)
    half, scores = random.standard_normal((50, 12), np.float32), np.round(random.random(50), 1)
    for vectors in (np.concatenate([half, half]), np.repeat(half, 2, axis=0), np.concatenate([half, half[::-1]])):
        for diversity in (0.1, 0.5, 0.9):
            assert_same_as_reference(isa, mmr, vectors, np.concatenate([scores, scores]), 100, diversity)
            assert_same_as_reference(isa, mmr, vectors, np.repeat(scores, 2), 100, diversity)


@pytest.mark.parametrize("isa", EVERY)
def test_a_candidate_opposite_to_those_taken_gains_by_it(isa: str) -> None:
    """Its value rises above its score: the only one that ever rises, and by the first choice."""
    vectors = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0]], np.float32)
    with dispatch.using(isa):
        order, lost = mmr(vectors, np.array([1, 0.5, -0.4]), 2, 0.5)
    assert order.tolist() == [0, 2]
    assert lost == 0.5 + 0.4


def test_relevance_lost_is_what_the_best_would_have_had() -> None:
    vectors, scores = np.eye(3, dtype=np.float32)[[0, 0, 1]], np.array([3.0, 2.0, 1.75])
    order, lost = mmr(vectors, scores, 2, 0.5)
    assert order.tolist() == [0, 2]
    assert lost.item() == max(sum(pair) for pair in itertools.combinations(scores, 2)) - (3 + 1.75)
