import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch
from shortlist_kernels.rerank import mmr

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
EVERY = list(dispatch.available_backends())


def assert_same_as_reference(
    isa: str, vectors: NDArray[Any], scores: NDArray[Any], k: int, diversity: Any, num_threads: int | None = None
) -> None:
    with dispatch.using("reference"):
        expected = mmr(vectors, scores, k, diversity)
    with dispatch.using(isa):
        found = mmr(vectors, scores, k, diversity, num_threads)
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


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
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_every_backend_reranks_like_the_reference(isa: str, data: st.DataObject, draw_float32: Draw) -> None:
    num_queries, num_items = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 30))
    dim, k = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 33))
    vectors = draw_float32(data, (num_queries, num_items, dim))
    scores = draw_float32(data, (num_queries, num_items))
    scores[np.random.default_rng(k).random(scores.shape) < 0.2] = -np.inf
    diversity = np.array([data.draw(st.floats(0, 1)) for _ in range(num_queries)])
    assert_same_as_reference(isa, vectors, scores, k, diversity, data.draw(st.none() | st.integers(1, 3)))


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
    assert_same_as_reference(isa, vectors.astype(np.float32), scores, k, diversity)


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
    assert_same_as_reference(isa, vectors, scores, 7, diversity)


@pytest.mark.parametrize("isa", COMPILED)
def test_equal_values_go_to_the_smaller_position_whoever_led_before(isa: str) -> None:
    """Pairs of candidates with the same vector and score: the second was the likely one when the first was taken."""
    random = np.random.default_rng(12)
    half, scores = random.standard_normal((50, 12), np.float32), np.round(random.random(50), 1)
    for vectors in (np.concatenate([half, half]), np.repeat(half, 2, axis=0), np.concatenate([half, half[::-1]])):
        for diversity in (0.1, 0.5, 0.9):
            assert_same_as_reference(isa, vectors, np.concatenate([scores, scores]), 100, diversity)
            assert_same_as_reference(isa, vectors, np.repeat(scores, 2), 100, diversity)


@pytest.mark.parametrize("isa", EVERY)
def test_a_candidate_opposite_to_those_taken_gains_by_it(isa: str) -> None:
    """Its value rises above its score: the only one that ever rises, and by the first choice."""
    vectors = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0]], np.float32)
    with dispatch.using(isa):
        order, lost = mmr(vectors, np.array([1, 0.5, -0.4]), 2, 0.5)
    assert order.tolist() == [0, 2]
    assert lost == 0.5 + 0.4


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("num_threads", [1, 2, 3, None])
def test_a_batch_gives_each_query_what_it_gets_alone(isa: str, num_threads: int | None) -> None:
    random = np.random.default_rng(9)
    vectors, scores = random.standard_normal((6, 100, 40), np.float32), random.random((6, 100))
    diversity = np.linspace(0, 1, 6)
    with dispatch.using(isa):
        order, lost = mmr(vectors, scores, 10, diversity, num_threads)
        for query in range(6):
            alone, alone_lost = mmr(vectors[query], scores[query], 10, diversity[query], 1)
            assert (alone.tolist(), alone_lost.item()) == (order[query].tolist(), lost[query])


def test_relevance_lost_is_what_the_best_would_have_had() -> None:
    vectors, scores = np.eye(3, dtype=np.float32)[[0, 0, 1]], np.array([3.0, 2.0, 1.75])
    order, lost = mmr(vectors, scores, 2, 0.5)
    assert order.tolist() == [0, 2]
    assert lost.item() == max(sum(pair) for pair in itertools.combinations(scores, 2)) - (3 + 1.75)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": np.ones((2, 2), np.float32)}, r"vectors must be float32 of shape \(3, D\), got .*\(2, 2\)"),
        ({"vectors": np.ones((3, 2))}, "vectors must be float32"),
        ({"vectors": np.full((3, 2), np.nan, np.float32)}, "vectors must be finite, got nan"),
        ({"scores": np.ones(3, np.int64)}, "scores must be float32 or float64 .* got int64"),
        ({"scores": np.array([1, np.nan, 2])}, r"scores must be finite, got nan at position \(1,\)"),
        ({"scores": np.array([1, np.inf, 2])}, "scores must be finite, got inf"),
        ({"scores": np.array([1, 1e308, 1e308])}, r"scores must fit float32, got 1e\+308 at position \(1,\)"),
        ({"scores": [[1.0], [1.0, 2.0]]}, "scores must be an array, got a ragged list"),
        ({"diversity": [[0.1], [0.2, 0.3]]}, "diversity must be an array, got a ragged list"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"diversity": 1.5}, "diversity must be within 0 to 1, got 1.5"),
        ({"diversity": float("nan")}, "diversity must not be NaN, got nan"),
        ({"diversity": [0.1, 0.2]}, "diversity must be a number or"),
        ({"num_threads": 0}, "num_threads must be an integer from 1 .* got 0"),
        ({"diversity": "much"}, "diversity must be a number or"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"vectors": np.ones((3, 2), np.float32), "scores": np.ones(3), "k": 2, "diversity": 0.5}
    with pytest.raises(ValueError, match=message):
        mmr(**(good | change))
