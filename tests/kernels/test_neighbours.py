from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from shortlist_kernels import Csr, dispatch, neighbours

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
EVERY = list(dispatch.available_backends())


def dense_neighbours(matrix: NDArray[Any], k: int, shrinkage: float) -> list[list[tuple[int, float]]]:
    """The cosine neighbours of the columns, from the whole product."""
    wide = matrix.astype(np.float64)
    dots, norms = wide.T @ wide, np.sqrt((wide**2).sum(axis=0))
    rows = []
    for item in range(matrix.shape[1]):
        others = [other for other in np.flatnonzero(dots[item]).tolist() if other != item]
        similarity = {o: np.float32(dots[item, o] / (norms[item] * norms[o] + shrinkage)) for o in others}
        rows.append([(o, float(similarity[o])) for o in sorted(others, key=lambda o: (-similarity[o], o))[:k]])
    return rows


def rows_of(matrix: Csr) -> list[list[tuple[int, float]]]:
    pairs = list(zip(matrix.indices.tolist(), matrix.data.tolist(), strict=True))
    return [pairs[start:end] for start, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)]


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("axis", ["items", "users"])
@pytest.mark.parametrize("shrinkage", [0.0, 7.5])
def test_neighbours_equal_those_of_the_dense_product(isa: str, axis: str, shrinkage: float) -> None:
    random = np.random.default_rng(4)
    matrix = random.integers(0, 5, (30, 20)) * (random.random((30, 20)) < 0.3)  # whole numbers: every order sums alike
    with dispatch.using(isa):
        found = neighbours(sparse.csr_matrix(matrix), 6, shrinkage=shrinkage, axis=axis)
    expected = dense_neighbours(matrix if axis == "items" else matrix.T, 6, shrinkage)
    assert rows_of(found) == expected
    assert found.shape == (len(expected), len(expected))
    assert [array.dtype for array in found[:3]] == [np.int64, np.int32, np.float32]


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=60)
@given(data=st.data(), axis=st.sampled_from(["items", "users"]), shrinkage=st.sampled_from([0.0, 0.5, 100.0]))
def test_every_backend_finds_the_neighbours_of_the_reference(
    isa: str, data: st.DataObject, axis: str, shrinkage: float, draw_float32: Draw
) -> None:
    shape = (data.draw(st.integers(0, 12)), data.draw(st.integers(0, 12)))
    dense = draw_float32(data, shape) * (np.random.default_rng(1).random(shape) < data.draw(st.floats(0, 1)))
    matrix = sparse.csr_matrix(dense)
    k = data.draw(st.integers(0, 14))
    answers = []
    for name in ("reference", isa):
        with dispatch.using(name):
            answers.append(neighbours(matrix, k, shrinkage=shrinkage, axis=axis))
    assert answers[0].shape == answers[1].shape
    assert [part.tobytes() for part in answers[0][:3]] == [part.tobytes() for part in answers[1][:3]]


def test_equal_similarities_are_in_order_of_index_and_rows_exclude_themselves() -> None:
    found = neighbours(sparse.csr_matrix(np.ones((2, 4))), 2)
    assert [[item for item, _ in row] for row in rows_of(found)] == [[1, 2], [0, 2], [0, 1], [0, 1]]


def test_unsorted_rows_and_other_number_types_are_taken() -> None:
    tidy = Csr(np.array([0, 2, 4]), np.array([0, 1, 0, 2], np.int32), np.array([1, 2, 3, 4], np.float32), (2, 3))
    messy = sparse.csr_matrix((np.array([2, 1, 4, 3]), np.array([1, 0, 2, 0]), np.array([0, 2, 4])), (2, 3))
    assert rows_of(neighbours(messy, 3)) == rows_of(neighbours(tidy, 3))


GOOD: dict[str, Any] = {
    "indptr": np.array([0, 2, 3]),
    "indices": np.array([0, 1, 1], np.int32),
    "data": np.ones(3, np.float32),
    "shape": (2, 2),
}


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("indptr", np.array([0, 2]), "interactions_csr.indptr must have 3 entries, got 2"),
        ("indptr", np.array([0, 4, 3]), "interactions_csr.indptr must rise from 0 to 3"),
        ("indptr", np.array([1, 2, 3]), "interactions_csr.indptr must rise from 0 to 3"),
        ("indices", np.array([0, 1, 2], np.int32), "interactions_csr.indices must be within 0 to 1, got 2"),
        ("indices", np.array([0, 1, -1], np.int32), "interactions_csr.indices must be within 0 to 1, got -1"),
        ("indices", np.array([1, 1, 1], np.int32), "interactions_csr.indices must be distinct within a row"),
        ("data", np.ones(2, np.float32), "interactions_csr.data must be 3 numbers"),
        ("data", np.array([1, np.nan, 1], np.float32), "interactions_csr.data must be finite, got nan"),
        ("data", np.array([1, 1e300, 1]), "interactions_csr.data must be finite, got inf"),
        ("shape", (2, -1), "interactions_csr.shape must be an integer from 0 .* got -1"),
        ("shape", (2,), "interactions_csr.shape must have 2 entries"),
    ],
)
def test_a_bad_matrix_is_named(part: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        neighbours(Csr(**(GOOD | {part: value})), 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"similarity": "jaccard"}, "similarity must be one of cosine, got 'jaccard'"),
        ({"axis": "rows"}, "axis must be one of items, users, got 'rows'"),
        ({"shrinkage": -1.0}, "shrinkage must be >= 0, got -1.0"),
        ({"shrinkage": float("nan")}, "shrinkage must be >= 0, got nan"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
    ],
)
def test_a_bad_setting_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        neighbours(Csr(**GOOD), **({"k": 1} | arguments))


def test_what_is_no_matrix_is_named() -> None:
    with pytest.raises(ValueError, match="interactions_csr must have indptr, indices, data and shape, got ndarray"):
        neighbours(np.ones((2, 2)), 1)
