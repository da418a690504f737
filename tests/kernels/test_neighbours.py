from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from shortlist_kernels import Csr, Interactions, dispatch, neighbours
from shortlist_kernels.arrays import SIMILARITIES

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
EVERY = list(dispatch.available_backends())


def similarity_of(name: str, a: NDArray[Any], b: NDArray[Any], means: NDArray[Any], shrinkage: float) -> float:
    """How alike two dense vectors are, where 0 means no entry; whole numbers, so that every order sums alike."""
    both = (a != 0) & (b != 0)
    n = int(both.sum())
    x, y = a[both], b[both]
    weight = n / (n + shrinkage)
    match name:
        case "cosine":
            return float((a @ b) / (np.linalg.norm(a) * np.linalg.norm(b) + shrinkage))
        case "dot":
            return float(a @ b) * weight
        case "jaccard":
            return float(n / ((a != 0) | (b != 0)).sum()) * weight
        case "euclidean":
            return float(1 / (1 + np.linalg.norm(a - b))) * weight
        case "pearson":
            x, y = x - x.mean(), y - y.mean()
        case "adjusted_cosine":
            x, y = x - means[both], y - means[both]
    norms = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / norms) * weight if norms > 1e-9 else 0.0


def dense_neighbours(
    matrix: NDArray[Any], similarity: str, shrinkage: float, min_overlap: int
) -> list[dict[int, float]]:
    """For each column, every neighbour with its similarity, pair by pair."""
    wide = matrix.astype(np.float64)
    means = wide.sum(axis=1) / np.maximum(1, (wide != 0).sum(axis=1))
    found: list[dict[int, float]] = [{} for _ in wide.T]
    for one, other in np.ndindex(wide.shape[1], wide.shape[1]):
        overlap = int(((wide[:, one] != 0) & (wide[:, other] != 0)).sum())
        if one != other and overlap >= max(1, min_overlap):
            value = similarity_of(similarity, wide[:, one], wide[:, other], means, shrinkage)
            if abs(value) > 1e-12:
                found[one][other] = value
    return found


def rows_of(matrix: Csr) -> list[list[tuple[int, float]]]:
    pairs = list(zip(matrix.indices.tolist(), matrix.data.tolist(), strict=True))
    return [pairs[start:end] for start, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)]


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize(
    ("axis", "shrinkage", "min_overlap"), [("items", 0.0, 0), ("users", 7.5, 1), ("items", 2.0, 3)]
)
def test_neighbours_equal_those_of_each_pair_by_itself(
    isa: str, similarity: str, axis: str, shrinkage: float, min_overlap: int
) -> None:
    random = np.random.default_rng(4)
    matrix = random.integers(-1, 5, (30, 20)) * (random.random((30, 20)) < 0.4)
    with dispatch.using(isa):
        found = neighbours(
            sparse.csr_matrix(matrix), 30, similarity, shrinkage=shrinkage, axis=axis, min_overlap=min_overlap
        )
    expected = dense_neighbours(matrix if axis == "items" else matrix.T, similarity, shrinkage, min_overlap)
    assert found.shape == (len(expected), len(expected))
    assert [array.dtype for array in found[:3]] == [np.int64, np.int32, np.float32]
    assert sum(map(len, expected)) > 100
    for row, wanted in zip(rows_of(found), expected, strict=True):
        assert dict(row) == pytest.approx(wanted, rel=1e-6)
        assert row == sorted(row, key=lambda pair: (-pair[1], pair[0]))


def test_k_neighbours_are_the_first_of_all() -> None:
    random = np.random.default_rng(4)
    matrix = sparse.csr_matrix(random.integers(0, 3, (40, 150)))  # whole numbers: many are alike to the same degree
    for similarity in SIMILARITIES:
        everyone = rows_of(neighbours(matrix, 150, similarity))
        for k in (0, 1, 7, 40):
            assert rows_of(neighbours(matrix, k, similarity)) == [row[:k] for row in everyone]


SETTINGS = st.fixed_dictionaries(
    {
        "similarity": st.sampled_from(SIMILARITIES),
        "axis": st.sampled_from(["items", "users"]),
        "shrinkage": st.sampled_from([0.0, 0.5, 100.0]),
        "min_overlap": st.integers(0, 3),
    }
)


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=150)
@given(data=st.data(), chosen=SETTINGS, num_threads=st.sampled_from([None, 1, 2, 5]))
def test_every_backend_finds_the_neighbours_of_the_reference(
    isa: str, data: st.DataObject, chosen: dict[str, Any], num_threads: int | None, draw_float32: Draw
) -> None:
    shape = (data.draw(st.integers(0, 12)), data.draw(st.integers(0, 12)))
    dense = draw_float32(data, shape) * (np.random.default_rng(1).random(shape) < data.draw(st.floats(0, 1)))
    num_rows = shape[1] if chosen["axis"] == "items" else shape[0]
    rows = data.draw(st.none() | st.lists(st.integers(0, num_rows - 1), max_size=6)) if num_rows else None
    assert_alike(isa, sparse.csr_matrix(dense), data.draw(st.integers(0, 14)), num_threads, rows=rows, **chosen)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_threads_and_long_rows_change_no_bit(isa: str, similarity: str, num_threads: int) -> None:
    random = np.random.default_rng(9)
    popularity = 0.8 * random.random(300) ** 3
    wide = (random.standard_normal((120, 300)) + 1.5) * (random.random((120, 300)) < popularity)
    for k in (1, 5, 90):
        assert_alike(isa, sparse.csr_matrix(wide.astype(np.float32)), k, num_threads, similarity=similarity)


@pytest.mark.parametrize("isa", COMPILED)
def test_rows_that_share_with_few_of_many_are_found_too(isa: str) -> None:
    random = np.random.default_rng(11)
    matrix = sparse.random(80, 2_000, 0.002, "csr", np.float32, random_state=random)
    for similarity in ("cosine", "dot", "pearson"):
        assert_alike(isa, matrix, 3, 2, similarity=similarity)


def assert_alike(isa: str, matrix: Any, k: int, num_threads: int | None, **arguments: Any) -> None:
    """The backend returns the bits of the reference."""
    answers = []
    for name in ("reference", isa):
        with dispatch.using(name):
            answers.append(neighbours(matrix, k, num_threads=num_threads, **arguments))
    assert answers[0].shape == answers[1].shape
    assert [part.tobytes() for part in answers[0][:3]] == [part.tobytes() for part in answers[1][:3]]


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("axis", ["items", "users"])
def test_chosen_rows_are_those_of_the_whole(isa: str, similarity: str, axis: str) -> None:
    matrix = sparse.random(40, 30, 0.3, "csr", np.float32, random_state=np.random.default_rng(3))
    with dispatch.using(isa):
        prepared = Interactions.of(matrix)
        whole = rows_of(neighbours(matrix, 5, similarity, axis=axis))
        found = neighbours(prepared, 5, similarity, axis=axis, rows=[7, 3, 7])
    assert found.shape == (3, len(whole))
    assert rows_of(found) == [whole[7], whole[3], whole[7]]


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_changed_user_is_compared_as_if_the_matrix_had_changed(isa: str, similarity: str) -> None:
    random = np.random.default_rng(5)
    dense = random.integers(0, 6, (25, 20)).astype(np.float32)
    changed = dense.copy()
    changed[4] = random.integers(0, 6, 20)
    items = np.flatnonzero(changed[4])
    entries = ([0, items.size], items, changed[4][items])
    with dispatch.using(isa):
        prepared = Interactions.of(sparse.csr_matrix(dense))
        found = neighbours(prepared, 9, similarity, axis="users", rows=[4], entries=entries)
        stranger = neighbours(prepared, 25, similarity, axis="users", rows=[-1], entries=entries)
        if similarity == "adjusted_cosine":  # whose means stay
            assert found.indices.size == 9
        else:
            after = neighbours(sparse.csr_matrix(changed), 9, similarity, axis="users")
            assert rows_of(found) == [rows_of(after)[4]]
    assert 4 in stranger.indices
    assert 4 not in found.indices


def test_negative_similarities_come_last_and_zeros_not_at_all() -> None:
    matrix = np.array([[5, 1, 4, 5], [4, 2, 4, 1], [1, 5, 1, 5], [0, 0, 0, 1]])
    (first, *_) = rows_of(neighbours(sparse.csr_matrix(matrix), 9, "pearson"))
    assert [item for item, _ in first] == [2, 3, 1]
    assert [value > 0 for _, value in first] == [True, False, False]
    flat = sparse.csr_matrix(np.array([[3, 1], [3, 2], [3, 3]]))
    assert neighbours(flat, 9, "pearson").indices.size == 0
    assert neighbours(sparse.csr_matrix(np.array([[1, 1], [1, -1]])), 9).indices.size == 0


def test_constant_values_that_float64_sums_cannot_hold_do_not_correlate() -> None:
    matrix = np.stack([np.full(50, 0.1), np.random.default_rng(0).random(50) + 1], axis=1).astype(np.float32)
    assert neighbours(sparse.csr_matrix(matrix), 2, "pearson").indices.size == 0


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
        ({"similarity": "manhattan"}, "similarity must be one of cosine, .*, dot, got 'manhattan'"),
        ({"axis": "rows"}, "axis must be one of items, users, got 'rows'"),
        ({"shrinkage": -1.0}, "shrinkage must be >= 0, got -1.0"),
        ({"shrinkage": float("nan")}, "shrinkage must be >= 0, got nan"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"min_overlap": -1}, "min_overlap must be an integer from 0 .* got -1"),
        ({"num_threads": 0}, "num_threads must be an integer from 1 .* got 0"),
        ({"rows": [2]}, "rows must be within 0 to 1, got 2"),
        ({"rows": [-1]}, "rows must be within 0 to 1, got -1"),
        ({"rows": [0.5]}, "rows must be int64, got float64"),
        ({"entries": ([0], [], [])}, "entries must come with rows, got rows None"),
        ({"rows": [0], "entries": [0]}, r"entries must be a tuple \(indptr, indices, values\), got list"),
        ({"rows": [0], "entries": ([0, 1], [2], [1.0])}, "entries.indices must be within 0 to 1, got 2"),
        ({"rows": [0], "entries": ([0, 1], [0], [np.nan])}, "entries.data must be finite, got nan"),
        ({"rows": [0, 1], "entries": ([0, 1], [0], [1.0])}, "entries.indptr must have 3 entries, got 2"),
        ({"rows": [-2], "entries": ([0, 1], [0], [1.0])}, "rows must be within -1 to 1, got -2"),
    ],
)
def test_a_bad_setting_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        neighbours(Csr(**GOOD), **({"k": 1} | arguments))


def test_what_is_no_matrix_is_named() -> None:
    with pytest.raises(ValueError, match="interactions_csr must have indptr, indices, data and shape, got ndarray"):
        neighbours(np.ones((2, 2)), 1)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("num_threads", [1, 2, 4])
def test_sums_beyond_float32_tie_by_index(isa: str, num_threads: int) -> None:
    dense = np.zeros((60, 400), np.float32)
    for item in range(400):
        dense[: 2 + item * 58 // 400, item] = 1e30
    assert_alike(isa, sparse.csr_matrix(dense), 5, num_threads, similarity="dot")


def test_a_prepared_matrix_does_not_follow_later_changes() -> None:
    matrix = sparse.csr_matrix(np.array([[1, 0, 2, 3], [2, 1, 0, 3], [3, 1, 2, 0]], np.float32))
    prepared = Interactions.of(matrix)
    before = neighbours(prepared, 3, "dot", axis="users", rows=[0, 1, 2])
    matrix.data[:] = 7
    matrix.indices[:] = 2**30
    after = neighbours(prepared, 3, "dot", axis="users", rows=[0, 1, 2])
    assert [part.tolist() for part in after[:3]] == [part.tolist() for part in before[:3]]
