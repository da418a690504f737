import itertools
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch
from shortlist_kernels.rerank import dpp
from tests.kernels.diversity_cases import COMPILED, EVERY, assert_same_as_reference


def objective(vectors: NDArray[Any], scores: NDArray[Any], taken: list[int], diversity: float) -> float:
    """What the set shall make large, with a determinant by NumPy."""
    unit = vectors[taken] / np.linalg.norm(vectors[taken], axis=1, keepdims=True)
    _, log_determinant = np.linalg.slogdet(unit @ unit.T)
    return float((1 - diversity) * scores[taken].sum() + diversity * log_determinant)


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("diversity", [0.2, 0.5, 1.0])
def test_each_step_raises_the_objective_most(isa: str, seed: int, diversity: float) -> None:
    random = np.random.default_rng(seed)
    vectors, scores = random.standard_normal((12, 6), np.float32), random.random(12)
    with dispatch.using(isa):
        order, lost = dpp(vectors, scores, 6, diversity)
    wide = vectors.astype(np.float64)
    for step in range(6):
        taken = order[:step].tolist()
        values = {i: objective(wide, scores, [*taken, i], diversity) for i in range(12) if i not in taken}
        assert values[int(order[step])] == pytest.approx(max(values.values()), abs=1e-9)
    assert lost == pytest.approx(np.sort(scores)[::-1][:6].sum() - scores[order].sum())


@pytest.mark.parametrize("isa", EVERY)
def test_the_greedy_set_is_close_to_the_best_of_all(isa: str) -> None:
    random = np.random.default_rng(3)
    vectors, scores = random.standard_normal((9, 8)).astype(np.float32), random.random(9)
    with dispatch.using(isa):
        order, _ = dpp(vectors, scores, 3, 0.5)
    wide = vectors.astype(np.float64)
    best = max(objective(wide, scores, list(some), 0.5) for some in itertools.combinations(range(9), 3))
    assert best - 0.1 <= objective(wide, scores, order.tolist(), 0.5) <= best + 1e-12


@pytest.mark.parametrize("isa", EVERY)
def test_known_answer_in_the_plane(isa: str) -> None:
    """At diversity 0.5 the gain is exp(score) * residual; the residual at 45 degrees is a half."""
    vectors = np.array([[1, 0], [1, 1], [0, 1], [2, 0]], np.float32)
    with dispatch.using(isa):
        near, _ = dpp(vectors, np.array([1, 0.75, 0, 0.9]), 2, 0.5)
        far, lost = dpp(vectors, np.array([1, 0.5, 0, 0.9]), 2, 0.5)
    assert np.exp(0.75) / 2 > 1 > np.exp(0.5) / 2
    assert near.tolist() == [0, 1]
    assert far.tolist() == [0, 2]
    assert lost == pytest.approx(0.9)


@pytest.mark.parametrize("isa", EVERY)
def test_no_diversity_keeps_the_order_of_scores_and_loses_nothing(isa: str) -> None:
    scores = np.array([[1, 3, 3, 2], [0, -np.inf, -1, -np.inf]], np.float32)
    vectors = np.random.default_rng(1).standard_normal((2, 4, 3), np.float32)
    with dispatch.using(isa):
        order, lost = dpp(vectors, scores, 3, 0.0)
    assert order.tolist() == [[1, 2, 3], [0, 2, -1]]
    assert lost.tolist() == [0, 0]


@pytest.mark.parametrize("isa", EVERY)
def test_full_diversity_heeds_scores_only_where_nothing_gains(isa: str) -> None:
    vectors = np.array([[1, 0], [-1, 0], [1, 0.5], [0, 3], [0, 0], [4, 2]], np.float32)
    with dispatch.using(isa):
        order, _ = dpp(vectors, np.array([1.0, 7.0, 5.0, 0.0, 2.0, 5.0]), 6, 1.0)
    # By residual 0, 3 and 4, the vector of zeros; the rest lie in the plane of the first two, so by score.
    assert order.tolist() == [0, 3, 4, 1, 2, 5]


@pytest.mark.parametrize("isa", EVERY)
def test_after_as_many_as_dimensions_the_best_scores_follow(isa: str) -> None:
    random = np.random.default_rng(4)
    vectors, scores = random.standard_normal((40, 5), np.float32), random.random(40)
    with dispatch.using(isa):
        order, _ = dpp(vectors, scores, 40, 0.7)
    rest = np.setdiff1d(np.arange(40), order[:5])
    assert order[5:].tolist() == rest[np.argsort(-scores[rest])].tolist()


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_duplicates_wait_until_all_else_is_taken(isa: str, noise: float) -> None:
    random = np.random.default_rng(5)
    distinct = random.standard_normal((10, 32))
    vectors = np.concatenate([distinct, 3 * distinct]).astype(np.float32)
    vectors[10:] += noise * random.standard_normal((10, 32))
    scores = np.concatenate([random.random(10), random.random(10) + 0.1])
    with dispatch.using(isa):
        order, _ = dpp(vectors, scores, 20, 0.9)
    assert sorted(order[:10] % 10) == list(range(10))
    assert np.all(np.diff(scores[order[10:]]) <= 0)


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("num_copies", [1, 2])
@pytest.mark.parametrize("base", [0.3, 0.6, 0.9])
def test_full_diversity_is_a_factorization_with_pivots(isa: str, base: float, num_copies: int) -> None:
    places = np.linspace(0, 1, 30)
    vectors = np.tile((base + places[:, np.newaxis] ** np.arange(1, 21)).astype(np.float32), (num_copies, 1))
    wide = vectors.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    unit[0] *= 2  # all are of length 1, so ours begins with the first
    factor, pivots = scipy.linalg.qr(unit.T, mode="r", pivoting=True)
    rank = int((np.diag(factor) ** 2 > 1e-10).sum())
    with dispatch.using(isa):
        order, _ = dpp(vectors, np.zeros(len(vectors)), len(vectors), 1.0)
    assert 4 < rank < 12
    assert (order[:rank] % 30).tolist() == (pivots[:rank] % 30).tolist()
    assert order[rank:].tolist() == np.setdiff1d(np.arange(len(vectors)), order[:rank]).tolist()


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("width", [0.4, 0.5])
def test_residuals_stay_exact_where_nearly_all_of_each_vector_cancels(isa: str, width: float) -> None:
    """Scores so far apart that each row is taken in turn, like as it is to those before, unless it lies among them."""
    steps = np.linspace(0, 0.5, 25)[:, np.newaxis] - np.linspace(0, 1, 40)
    vectors = np.exp(-((steps / width) ** 2)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    gaining = [0]
    for place in range(1, 25):
        basis = np.linalg.qr(unit[gaining].T).Q
        rest = np.linalg.norm(unit[place] - basis @ (basis.T @ unit[place])) ** 2
        assert not 0.9e-10 < rest < 1.1e-10
        if rest > 1e-10:
            gaining.append(place)
    with dispatch.using(isa):
        order, _ = dpp(vectors, -25.0 * np.arange(25), 25, 0.5)
    assert 4 < len(gaining) < 20
    assert order.tolist() == gaining + np.setdiff1d(np.arange(25), gaining).tolist()


@pytest.mark.parametrize("isa", EVERY)
def test_equal_gains_go_to_the_smaller_position(isa: str) -> None:
    vectors = np.eye(6, dtype=np.float32)[[0, 1, 2, 3, 4, 5]]
    with dispatch.using(isa):
        alike, _ = dpp(vectors, np.ones(6), 6, 0.5)
        pairs, _ = dpp(vectors, np.array([0, 1, 0, 1, 0, 1.0]), 6, 0.5)
        zeros, _ = dpp(np.zeros((4, 3), np.float32), np.ones(4), 4, 0.5)
    assert alike.tolist() == [0, 1, 2, 3, 4, 5]
    assert pairs.tolist() == [1, 3, 5, 0, 2, 4]
    assert zeros.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("isa", EVERY)
def test_scores_far_apart_are_taken_in_their_order(isa: str) -> None:
    """Weights of all but the best underflow, or all differ by more than a residual can make up for."""
    random = np.random.default_rng(6)
    vectors, scores = random.standard_normal((20, 24), np.float32), random.permutation(20).astype(np.float32)
    with dispatch.using(isa):
        for scale, diversity in ((1e37, 0.5), (-1e37, 0.999), (1e3, 0.5), (1.0, 5e-324), (20.0, 0.5)):
            order, lost = dpp(vectors, scores * np.float32(scale), 20, diversity)
            assert order.tolist() == np.argsort(-scores * scale).tolist()
            assert lost == pytest.approx(0, abs=abs(scale) * 1e-12)


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_every_backend_reranks_real_values_like_the_reference(isa: str, data: st.DataObject) -> None:
    """Vectors that fill their space, lie in a small part of it, or nearly repeat; scores close together or not."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    num_items, dim = data.draw(st.integers(1, 150)), data.draw(st.integers(1, 70))
    rank = data.draw(st.integers(1, dim))
    wide = random.standard_normal((num_items, rank)) @ random.standard_normal((rank, dim))
    wide += data.draw(st.sampled_from([0, 1e-6, 1e-3, 1])) * random.standard_normal((num_items, dim))
    scores = data.draw(st.sampled_from([0.01, 1, 10])) * random.standard_normal(num_items)
    k, diversity = data.draw(st.integers(1, num_items)), data.draw(st.floats(0.01, 1))
    assert_same_as_reference(isa, dpp, wide.astype(np.float32), scores, k, diversity)


@pytest.mark.parametrize("isa", EVERY)
def test_fewer_candidates_than_asked_for_leave_padding(isa: str) -> None:
    scores = np.array([[1, -np.inf, 2], [-np.inf, -np.inf, -np.inf]])
    with dispatch.using(isa):
        order, lost = dpp(np.ones((2, 3, 2), np.float32), scores, 4, 0.5)
        nothing, none_lost = dpp(np.ones((0, 2), np.float32), np.ones(0), 2, 0.5)
    assert order.tolist() == [[2, 0, -1, -1], [-1, -1, -1, -1]]
    assert lost.tolist() == [0, 0]
    assert (nothing.tolist(), none_lost.item()) == ([-1, -1], 0)
