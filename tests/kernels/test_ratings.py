"""Predicted ratings: by hand, by the reference, with nobody to ask. test_judge.py asks scikit-surprise."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from shortlist_kernels import Baselines, Csr, Interactions, baselines, dispatch, neighbours, predict_ratings
from shortlist_kernels.arrays import SIMILARITIES

COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
EVERY = list(dispatch.available_backends())

# User 3 and item 4 have no ratings.
RATINGS = np.array([[4, 2, 0, 5, 0], [4, 2, 3, 1, 0], [2, 1, 5, 1, 0], [0, 0, 0, 0, 0]])
MATRIX = sparse.csr_matrix(RATINGS)
MEAN = 30 / 11
ALIKE = Csr(
    np.array([0, 3, 3, 3, 3]), np.array([1, 2, 3], np.int32), np.array([0.5, 0.25, 0.9], np.float32), (4, 4)
)  # of user 0 to the others


@pytest.mark.parametrize("isa", EVERY)
def test_a_prediction_is_the_weighted_mean_of_the_neighbours_ratings(isa: str) -> None:
    def predicted(centring: str | Baselines, **more: Any) -> float:
        return float(predict_ratings(MATRIX, [0], [2], ALIKE, centring=centring, **more)[0])

    with dispatch.using(isa):
        assert predicted("none") == pytest.approx((0.5 * 3 + 0.25 * 5) / 0.75)
        assert predicted("none", k=1) == pytest.approx(3)
        assert predicted("mean") == pytest.approx(11 / 3 + (0.5 * (3 - 2.5) + 0.25 * (5 - 2.25)) / 0.75)
        biases = Baselines(2.0, np.array([1.0, 0.5, 0.25, 9]), np.array([0, 0, -1.0, 0, 0]))
        around = 2 + 1 - 1 + (0.5 * (3 - 1.5) + 0.25 * (5 - 1.25)) / 0.75
        assert predicted(biases) == pytest.approx(around)


@pytest.mark.parametrize("isa", EVERY)
def test_too_few_neighbours_leave_the_mean_or_the_baseline(isa: str) -> None:
    biases = Baselines(2.0, np.array([1.0, 0.5, 0.25, 9]), np.array([0, 0, -1.0, 0, 4]))
    with dispatch.using(isa):
        for centring, expected in (("none", MEAN), ("mean", 11 / 3), (biases, 2.0)):
            (found,) = predict_ratings(MATRIX, [0], [2], ALIKE, min_k=3, centring=centring)
            assert found == pytest.approx(expected)
        (nobody,) = predict_ratings(MATRIX, [1], [2], ALIKE, centring="mean")
        assert nobody == pytest.approx(2.5)


def test_the_unknown_get_the_mean_of_all_and_the_bias_of_who_is_known() -> None:
    users, items = [-1, 0, -1, 3, 0], [2, -1, -1, 2, 4]
    for centring in ("none", "mean"):
        assert predict_ratings(MATRIX, users, items, centring=centring) == pytest.approx([MEAN] * 5)
    biases = Baselines(2.0, np.array([1.0, 0.5, 0.25, 0]), np.array([0, 0, -1.0, 0, 0]))
    assert predict_ratings(MATRIX, users, items, centring=biases).tolist() == [1, 3, 2, 1, 3]


def test_negative_similarities_and_the_user_itself_do_not_count() -> None:
    alike = Csr(np.array([0, 2, 2, 2, 2]), np.array([0, 1], np.int32), np.array([1.0, -0.5], np.float32), (4, 4))
    assert predict_ratings(MATRIX, [0], [3], alike, centring="none") == pytest.approx([MEAN])
    # Users 0 and 1 are at odds; user 2, who rated 1 where the mean is 2.25, is left.
    found = predict_ratings(MATRIX, [0], [3], "pearson", centring="mean")
    assert found == pytest.approx([11 / 3 + (1 - 2.25)])


def test_equal_similarities_prefer_the_smaller_index() -> None:
    ratings = sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 2], [1, 1, 4], [1, 1, 5]]))
    for k, expected in ((1, 2), (2, 3), (3, 11 / 3)):
        found = predict_ratings(ratings, [0], [2], "co_rated_cosine", k=k, centring="none")
        assert found == pytest.approx([expected])


def test_the_items_axis_is_the_users_axis_of_the_transposed_matrix() -> None:
    random = np.random.default_rng(2)
    dense = random.integers(0, 6, (30, 20))
    ratings, transposed = sparse.csr_matrix(dense), sparse.csr_matrix(dense.T)
    users, items = random.integers(0, 30, 60), random.integers(0, 20, 60)
    for centring in ("none", "mean"):
        found = predict_ratings(ratings, users, items, axis="items", centring=centring, k=3)
        turned = predict_ratings(transposed, items, users, axis="users", centring=centring, k=3)
        assert found.tolist() == turned.tolist()


def test_similarities_computed_before_or_within_agree() -> None:
    random = np.random.default_rng(6)
    ratings = sparse.csr_matrix(random.integers(0, 6, (40, 30)))
    users, items = random.integers(0, 40, 200), random.integers(0, 30, 200)
    full = neighbours(ratings, 40, "pearson", axis="users", shrinkage=3.0)
    within = predict_ratings(ratings, users, items, "pearson", shrinkage=3.0)
    assert predict_ratings(ratings, users, items, full) == pytest.approx(within, abs=1e-5)


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_every_backend_predicts_like_the_reference(isa: str, data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = (data.draw(st.integers(1, 14)), data.draw(st.integers(1, 14)))
    values = data.draw(st.sampled_from([np.array([1, 2, 3, 4, 5.0]), np.array([0.1, -0.3, 2.5, 1e30, 1e-30])]))
    ratings = sparse.csr_matrix(random.choice(values, shape) * (random.random(shape) < 0.6))
    count = data.draw(st.integers(0, 30))
    pairs = random.integers(-1, shape[0], count), random.integers(-1, shape[1], count)
    axis = data.draw(st.sampled_from(["users", "items"]))
    similarity = data.draw(st.sampled_from([*SIMILARITIES, "matrix"]))
    arguments: dict[str, Any] = {
        "similarity": neighbours(ratings, 14, axis=axis) if similarity == "matrix" else similarity,
        "axis": axis,
        "k": data.draw(st.integers(1, 5)),
        "min_k": data.draw(st.integers(1, 3)),
        "centring": data.draw(st.sampled_from(["none", "mean", "baseline"])),
        "min_overlap": data.draw(st.integers(0, 2)),
        "shrinkage": data.draw(st.sampled_from([0.0, 4.0])),
        "num_threads": data.draw(st.sampled_from([None, 1, 3])),
    }
    answers = []
    for name in ("reference", isa):
        with dispatch.using(name):
            answers.append(predict_ratings(ratings, *pairs, **arguments))
    assert answers[0].dtype == np.float32
    assert answers[0].tobytes() == answers[1].tobytes()


def naive_baselines(ratings: NDArray[Any], num_epochs: int) -> tuple[list[float], list[float]]:
    mean = ratings[ratings > 0].mean()
    users, items = np.zeros(len(ratings)), np.zeros(len(ratings.T))
    for _ in range(num_epochs):
        for item, column in enumerate(ratings.T):
            raters = np.flatnonzero(column)
            items[item] = (column[raters] - mean - users[raters]).sum() / (10 + raters.size)
        for user, row in enumerate(ratings):
            rated = np.flatnonzero(row)
            users[user] = (row[rated] - mean - items[rated]).sum() / (15 + rated.size)
    return users.tolist(), items.tolist()


def test_baselines_alternate_between_items_and_users() -> None:
    for num_epochs in (0, 1, 10):
        found = baselines(Interactions.of(MATRIX), num_epochs)
        users, items = naive_baselines(RATINGS, num_epochs)
        assert found.mean == pytest.approx(MEAN)
        assert found.users.tolist() == pytest.approx(users)
        assert found.items.tolist() == pytest.approx(items)


def test_nothing_to_learn_from_is_no_error() -> None:
    empty = sparse.csr_matrix((2, 3))
    found = baselines(empty, user_regularisation=0, item_regularisation=0)
    assert (found.mean, found.users.tolist(), found.items.tolist()) == (0.0, [0, 0], [0, 0, 0])
    assert predict_ratings(empty, [0, 1], [2, 0]).tolist() == [0, 0]
    assert predict_ratings(empty, [], []).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"users": [4]}, "users must be within -1 to 3, got 4"),
        ({"items": [-2]}, "items must be within -1 to 4, got -2"),
        ({"items": [1, 2]}, r"items must have one entry per user \(1\), got 2"),
        ({"k": 0}, "k must be an integer from 1 .* got 0"),
        ({"min_k": 0}, "min_k must be an integer from 1 .* got 0"),
        ({"centring": None}, "centring must be one of none, mean, baseline or Baselines, got None"),
        ({"axis": "rows"}, "axis must be one of items, users, got 'rows'"),
        ({"centring": "median"}, "centring must be one of none, mean, baseline, got 'median'"),
        ({"centring": Baselines(np.nan, np.zeros(4), np.zeros(5))}, "centring.mean must be .* got nan"),
        ({"centring": Baselines(0, np.zeros(3), np.zeros(5))}, "centring.users must be .* 4 numbers, got .*3"),
        ({"similarity": "manhattan"}, "similarity must be one of cosine, .* got 'manhattan'"),
        ({"similarity": ALIKE, "axis": "items"}, r"similarity must have shape \(5, 5\), got \(4, 4\)"),
        ({"num_threads": 0}, "num_threads must be an integer from 1 .* got 0"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predict_ratings(MATRIX, **({"users": [0], "items": [2]} | arguments))
