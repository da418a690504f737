import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import VectorIndex, dispatch
from shortlist_kernels.arrays import METRICS

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
EVERY = list(dispatch.available_backends())


def index_of(vectors: Any, ids: Any = None, metric: str = "inner_product") -> VectorIndex:
    vectors = np.asarray(vectors, np.float32)
    index = VectorIndex(vectors.shape[1], metric)
    index.add(np.arange(len(vectors)) if ids is None else ids, vectors)
    return index


def same_bits(left: tuple[NDArray[Any], ...], right: tuple[NDArray[Any], ...]) -> bool:
    return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(left, right, strict=True))


def draw_lists(data: st.DataObject, num_queries: int, num_items: int) -> Any:
    """No filter, one id list for all queries, or one per query; with unknown and repeated ids."""
    ids = st.lists(st.integers(0, num_items + 3), max_size=num_items + 3)
    kind = data.draw(st.sampled_from(["none", "shared", "per query"]))
    if kind == "none":
        return None
    if kind == "shared":
        return np.array(data.draw(ids), np.int64)
    lists = [data.draw(ids) for _ in range(num_queries)]
    return np.cumsum([0, *map(len, lists)]), np.array([item for row in lists for item in row], np.int64)


def draw_mask(data: st.DataObject, num_queries: int, num_items: int) -> Any:
    shape = data.draw(st.sampled_from([None, (num_items,), (num_queries, num_items)]))
    if shape is None:
        return None
    mask = np.random.default_rng(data.draw(st.integers(0, 999))).random(shape) < data.draw(st.floats(0, 1))
    return np.packbits(mask, axis=-1, bitorder="little") if data.draw(st.booleans()) else mask


@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_every_backend_searches_and_scores_like_the_reference(
    isa: str, data: st.DataObject, draw_float32: Draw
) -> None:
    num_items, dim = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 300))
    num_queries, k = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 45))
    ids = np.random.default_rng(data.draw(st.integers(0, 999))).permutation(num_items)
    vectors, queries = draw_float32(data, (num_items, dim)), draw_float32(data, (num_queries, dim))
    metric = data.draw(st.sampled_from(METRICS))
    filters: dict[str, Any] = {
        "exclude": draw_lists(data, num_queries, num_items),
        "allow": draw_lists(data, num_queries, num_items),
        "mask": draw_mask(data, num_queries, num_items),
        "bias": draw_float32(data, (num_items,)) if data.draw(st.booleans()) else None,
    }
    wanted_ids = np.tile(np.arange(-1, num_items), (num_queries, 1))
    answers = []
    for name in ("reference", isa):
        with dispatch.using(name):
            index = index_of(vectors, ids, metric)
            answers.append((*index.search(queries, k, **filters), index.score(queries, wanted_ids)))
    assert same_bits(*answers)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", [1, 5, 8, 30, 128])
def test_every_backend_has_the_float64_bits_of_the_reference(isa: str, metric: str, dim: int) -> None:
    random = np.random.default_rng(dim)
    spread = np.exp2(random.integers(-20, 20, (203, dim)))
    vectors = (random.standard_normal((203, dim)) * spread).astype(np.float32)
    query, ids = random.standard_normal((1, dim), np.float32), np.arange(203)
    answers = []
    for name in ("reference", isa):
        with dispatch.using(name):
            index = index_of(vectors, metric=metric)
            bias = -index.score(query, ids[np.newaxis])[0]  # leaves of each score what float32 had rounded off
            answers.append(index.search(query, 203, bias=bias))
    assert same_bits(*answers)
    assert np.count_nonzero(answers[0][0]) > 100 or dim == 1


@pytest.mark.parametrize("isa", EVERY)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_search_finds_the_true_best_of_whole_numbers(isa: str, data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 9999)))
    num_items, dim, k = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 40)), data.draw(st.integers(1, 20))
    vectors, query = random.integers(-3, 4, (num_items, dim)), random.integers(-3, 4, dim)
    exact = {"inner_product": vectors @ query, "euclidean": -((vectors - query) ** 2).sum(axis=1)}
    for metric, scores in exact.items():
        best = np.lexsort((np.arange(num_items), -scores))[:k]
        with dispatch.using(isa):
            found_scores, found_ids = index_of(vectors, metric=metric).search(query[np.newaxis].astype(np.float32), k)
        assert found_ids[0, : best.size].tolist() == best.tolist()
        assert found_scores[0, : best.size].tolist() == scores[best].tolist()
        assert (found_ids[0, best.size :] == -1).all()


@pytest.mark.parametrize("isa", EVERY)
def test_cosine_and_pearson_agree_with_numpy(isa: str) -> None:
    random = np.random.default_rng(3)
    vectors, queries = random.standard_normal((50, 33), np.float32), random.standard_normal((4, 33), np.float32)
    ids = np.tile(np.arange(50), (4, 1))
    norms = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
    with dispatch.using(isa):
        cosine = index_of(vectors, metric="cosine").score(queries, ids)
        pearson = index_of(vectors, metric="pearson").score(queries, ids)
    np.testing.assert_allclose(cosine, queries @ vectors.T / norms, atol=1e-6)
    np.testing.assert_allclose(pearson, np.corrcoef(queries, vectors)[:4, 4:], atol=1e-6)


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("metric", ["cosine", "pearson"])
def test_vectors_without_direction_score_zero(isa: str, metric: str) -> None:
    vectors = np.array([[0, 0, 0], [0.1, 0.1, 0.1]], np.float32) if metric == "pearson" else np.zeros((2, 3))
    with dispatch.using(isa):
        scores, ids = index_of(vectors, metric=metric).search(np.array([[1, 2, 3]], np.float32), 2)
    assert scores.tolist() == [[0, 0]]
    assert ids.tolist() == [[0, 1]]


@pytest.mark.parametrize("isa", EVERY)
def test_search_breaks_ties_by_smaller_id(isa: str) -> None:
    with dispatch.using(isa):
        index = index_of(np.ones((5, 2)), ids=[9, 4, 7, 1, 5])
        assert index.search(np.ones((1, 2), np.float32), 3)[1].tolist() == [[1, 4, 5]]


@pytest.mark.parametrize("isa", EVERY)
def test_search_orders_what_float32_cannot_tell_apart(isa: str) -> None:
    query = np.array([[1, 1]], np.float32)
    with dispatch.using(isa):
        scores, ids = index_of([[1, 0], [1, 1e-12]]).search(query, 2)
    assert scores.tolist() == [[1, 1]]
    assert ids.tolist() == [[1, 0]]


@pytest.mark.parametrize("isa", EVERY)
def test_a_filter_never_eats_results(isa: str) -> None:
    index = index_of(np.arange(1000)[:, None])
    query = np.ones((1, 1), np.float32)
    with dispatch.using(isa):
        assert index.search(query, 3, exclude=np.arange(500, 1000))[1].tolist() == [[499, 498, 497]]
        assert index.search(query, 3, mask=np.arange(1000) < 10)[1].tolist() == [[9, 8, 7]]
        assert index.search(query, 3, allow=[5, 700, 20])[1].tolist() == [[700, 20, 5]]
        bias = np.where(np.arange(1000) == 0, 5000, 0).astype(np.float32)
        assert index.search(query, 2, bias=bias)[1].tolist() == [[0, 999]]


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("metric", METRICS)
def test_batch_size_and_threads_change_no_bit(isa: str, metric: str) -> None:
    random = np.random.default_rng(5)
    index = index_of(random.standard_normal((1500, 19), np.float32), metric=metric)
    queries = random.standard_normal((20, 19), np.float32)
    with dispatch.using(isa):
        together = index.search(queries, 30)
        assert same_bits(together, index.search(queries, 30, num_threads=5))
        alone = [index.search(queries[row : row + 1], 30, num_threads=2) for row in range(20)]
    assert same_bits(together, (np.concatenate([a[0] for a in alone]), np.concatenate([a[1] for a in alone])))


def test_score_gives_what_search_gives() -> None:
    random = np.random.default_rng(6)
    queries = random.standard_normal((3, 24), np.float32)
    for metric in METRICS:
        index = index_of(random.standard_normal((700, 24), np.float32), metric=metric)
        scores, ids = index.search(queries, 700)
        assert index.score(queries, ids).tobytes() == scores.tobytes()


def test_scores_beyond_float32_are_infinite_and_still_in_order() -> None:
    scores, ids = index_of([[3e38], [1], [2e38]]).search(np.full((1, 1), 3e38, np.float32), 3)
    assert ids.tolist() == [[0, 2, 1]]
    assert scores[0, :2].tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("isa", EVERY)
def test_biases_that_overflow_with_the_distance_decide_nothing_wrongly(isa: str) -> None:
    vectors = np.array([[-8.0e29], [-1.4e30], [-4.3e29], [1.1e30]], np.float32)
    bias = np.array([3.4e38, -3.4e38, 3.4e38, -3.4e38], np.float32)
    index = index_of(vectors, metric="euclidean")
    with dispatch.using(isa):
        assert index.search(np.array([[6.0e29]], np.float32), 1, bias=bias)[1].tolist() == [[3]]


@pytest.mark.parametrize("isa", EVERY)
def test_squared_norms_that_round_to_the_same_denormal_are_told_apart(isa: str) -> None:
    smallest = 2.0**-149
    vectors = np.zeros((272, 8), np.float32)
    vectors[:, 0] = 1e-12
    vectors[256:, 0] = np.sqrt(30 * smallest)
    vectors[3, 0], vectors[260, 0] = np.sqrt(7.55 * smallest), np.sqrt(7.51 * smallest)
    with dispatch.using(isa):
        assert index_of(vectors, metric="euclidean").search(np.zeros((1, 8), np.float32), 1)[1].tolist() == [[260]]


@pytest.mark.parametrize("isa", EVERY)
def test_a_bias_counts_beside_products_far_beyond_float32(isa: str) -> None:
    query, vectors, bias = np.zeros((1, 8), np.float32), np.zeros((1024, 8), np.float32), np.zeros(1024, np.float32)
    query[0, 0] = 2.0**56
    vectors[:, 1] = 63 * 2.0**81
    vectors[[3, 300, 400]] = 0
    vectors[3, 0], vectors[300, 0], vectors[400, 1] = 2.0**81 * (63 + 0.1 / 127), 2.0**81 * 63, 63 * 2.0**101
    bias[300] = 0.2 / 127 * 2.0**56 * 2.0**81
    with dispatch.using(isa):
        assert index_of(vectors).search(query, 1, bias=bias)[1].tolist() == [[300]]


def test_a_search_sees_all_of_an_update_or_none() -> None:
    num_items = 50_000  # enough that a search would meet an update half done
    index = index_of(np.zeros((num_items, 4)))
    largest_and_smallest = np.array([[1] * 4, [-1] * 4], np.float32)
    done = threading.Event()

    def write() -> None:
        try:
            for value in range(1, 60):
                index.update(np.arange(num_items), np.full((num_items, 4), value, np.float32))
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        scores, _ = index.search(largest_and_smallest, 1)
        assert scores[0] == -scores[1]
    writer.join()
    assert index.search(largest_and_smallest, 1)[0].tolist() == [[236.0], [-236.0]]


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("queries", np.zeros((1, 3), np.float32), r"queries must be float32 of shape \(Q, 2\), got float32 of shape"),
        ("queries", np.zeros(2, np.float32), "queries must be float32"),
        ("queries", np.zeros((1, 2)), "got float64"),
        ("queries", np.array([[1, np.nan]], np.float32), r"queries must be finite, got nan at position \(0, 1\)"),
        ("k", -1, "k must be an integer from 0 .*, got -1"),
        ("k", 1.5, "k must be an integer, got 1.5"),
        ("k", True, "got True"),
        ("k", 2**31, "got 2147483648"),
        ("exclude", np.zeros(1), "exclude must be int64, got float64"),
        ("exclude", (np.array([0, 2, 3]), np.zeros(3, np.int64)), "exclude indptr must have 2 entries, got 3"),
        ("allow", (np.array([0, 2]), np.zeros(3, np.int64)), "allow indptr must rise from 0 to 3"),
        ("mask", np.ones(4, np.bool_), r"mask must be bool of shape \(3,\) or \(1, 3\).*got bool of shape \(4,\)"),
        ("mask", np.ones(3, np.float32), "mask must be bool"),
        ("mask", np.ones(2, np.uint8), "mask must be bool"),
        ("mask", [[True], [False, True]], "mask must be an array, got a ragged list"),
        ("bias", np.ones(2, np.float32), r"bias must be float32 of shape \(3,\)"),
        ("bias", np.array([0, np.inf, 0], np.float32), "bias must be finite, got inf"),
        ("num_threads", 0, "num_threads must be an integer from 1"),
    ],
)
def test_search_names_a_bad_argument_and_its_value(argument: str, value: Any, message: str) -> None:
    arguments: dict[str, Any] = {"queries": np.zeros((1, 2), np.float32), "k": 2} | {argument: value}
    with pytest.raises(ValueError, match=message):
        index_of(np.ones((3, 2))).search(**arguments)


def test_score_names_an_unknown_id_and_a_wrong_number_of_rows() -> None:
    index, queries = index_of(np.ones((3, 2))), np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match="ids must be in the index, got 8"):
        index.score(queries, np.array([[0, 8], [-1, 1]]))
    with pytest.raises(ValueError, match="ids must be in the index, got -2"):
        index.score(queries, np.array([[0, -2], [-1, 1]]))
    with pytest.raises(ValueError, match=r"ids must have one row per query \(2\), got 1"):
        index.score(queries, np.array([[0]]))
