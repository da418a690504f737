"""Search on the device against the reference, bit for bit. Small: the simulator's threads are threads of Python."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist_kernels import VectorIndex, dispatch
from shortlist_kernels.arrays import METRICS, Float32, Int64
from tests.kernels.filter_cases import BIASES, FILTERS, bias_of
from tests.kernels.search_cases import (
    ID_KINDS,
    KINDS,
    assert_same,
    ids_of,
    queries_for,
    true_best,
    true_scores,
    vectors_of,
)

EASY, HARD = "normal", "constant offset"


def device_index(ids_N: Int64, vectors_ND: Float32, metric: str) -> Any:
    from shortlist_kernels.cuda import DeviceIndex

    return DeviceIndex(ids_N, vectors_ND, metric)


@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(KINDS)), id_kind=st.sampled_from(ID_KINDS), seed=st.integers(0, 999))
def test_search_finds_what_the_reference_finds(metric: str, kind: str, id_kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_items, dim, k = int(random.integers(1, 80)), int(random.integers(1, 12)), int(random.integers(1, 8))
    ids_N, vectors_ND = ids_of(id_kind, random, num_items), vectors_of(kind, random, num_items, dim)
    queries_QD = queries_for(kind, random, vectors_ND, 2)
    found = device_index(ids_N, vectors_ND, metric).search(queries_QD, k)
    assert_same(found, true_best(true_scores(metric, queries_QD, vectors_ND), ids_N, k), kind, id_kind)


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_filters_let_through_what_they_allow(name: str) -> None:
    random = np.random.default_rng(len(name))
    metric = METRICS[len(name) % 4]
    ids_N, vectors_ND = ids_of("shuffled", random, 70), vectors_of(EASY, random, 70, 5)
    queries_QD = queries_for(EASY, random, vectors_ND, 2)
    scores_QN = true_scores(metric, queries_QD, vectors_ND)
    filtered = FILTERS[name](random, ids_N, scores_QN)
    found = device_index(ids_N, vectors_ND, metric).search(queries_QD, 4, **filtered.arguments)
    assert_same(found, true_best(scores_QN, ids_N, 4, filtered.allowed_QN), name)


@pytest.mark.parametrize("kind", BIASES)
def test_a_bias_counts(kind: str) -> None:
    random = np.random.default_rng(5)
    metric = METRICS[BIASES.index(kind) % 4]
    ids_N, vectors_ND = ids_of("descending", random, 60), vectors_of(EASY, random, 60, 6)
    queries_QD = queries_for(EASY, random, vectors_ND, 2)
    bias_QN = bias_of(kind, random, true_scores(metric, queries_QD, vectors_ND))
    index = device_index(ids_N, vectors_ND, metric)
    for bias in (bias_QN, bias_QN[0]):
        expected = true_best(true_scores(metric, queries_QD, vectors_ND, bias), ids_N, 4)
        assert_same(index.search(queries_QD, 4, bias=bias), expected, kind)


@pytest.mark.parametrize("kind", ["ascending", "equal rows", HARD])
def test_more_items_may_pass_than_there_is_room_for(kind: str) -> None:
    random = np.random.default_rng(6)
    ids_N, vectors_ND = ids_of("shuffled", random, 130), vectors_of(kind, random, 130, 3)
    queries_QD = np.ones((1, 3), np.float32)
    expected = true_best(true_scores("inner_product", queries_QD, vectors_ND), ids_N, 2)
    assert_same(device_index(ids_N, vectors_ND, "inner_product").search(queries_QD, 2), expected, kind)


@pytest.mark.parametrize("metric", ["cosine", "pearson"])
def test_the_last_bits_of_a_score_decide_as_in_the_reference(metric: str) -> None:
    """Multiples of one row score the same but for rounding."""
    random = np.random.default_rng(11)
    vectors_ND = np.outer(random.integers(1, 10_000, 60), random.integers(-9, 10, 9)).astype(np.float32)
    queries_QD = vectors_of(EASY, random, 2, 9)
    ids_N = random.permutation(60)
    expected = true_best(true_scores(metric, queries_QD, vectors_ND), ids_N, 12)
    assert_same(device_index(ids_N, vectors_ND, metric).search(queries_QD, 12), expected)


def test_a_product_that_overflows_on_the_way_rules_nothing_out() -> None:
    vectors_ND = np.tile(np.array([[-2e19, 0]], np.float32), (60, 1))
    vectors_ND[1] = -4e19, 3e19  # -4e38 + 3e38, and not in the sample
    scores_QK, ids_QK = device_index(np.arange(60), vectors_ND, "inner_product").search(
        np.full((1, 2), 1e19, np.float32), 1
    )
    assert (ids_QK.tolist(), scores_QK[0, 0]) == ([[1]], pytest.approx(-1e38, rel=1e-5))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", [EASY, HARD])
def test_a_library_may_multiply(metric: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that rounds as coarsely as it may."""
    from shortlist_kernels.cuda import libraries

    def multiply(probes: Any, rows: Any, products: Any) -> None:
        left, right = (_bfloat16(part.copy_to_host()) for part in (probes, rows))
        products.copy_to_device(np.ascontiguousarray(left @ right.T))

    monkeypatch.setattr(libraries, "found", lambda: libraries.Library(multiply, lambda: True))
    monkeypatch.setattr("shortlist_kernels.cuda.search.LIBRARY_QUERIES", 1)
    monkeypatch.setattr("shortlist_kernels.cuda.search.TILE_FLOATS", 60)
    random = np.random.default_rng(7)
    ids_N, vectors_ND = ids_of("shuffled", random, 80), vectors_of(kind, random, 80, 6)
    queries_QD = vectors_of(kind, random, 2, 6)
    mask = random.random((2, 80)) < 0.7
    expected = true_best(true_scores(metric, queries_QD, vectors_ND), ids_N, 3, mask)
    assert_same(device_index(ids_N, vectors_ND, metric).search(queries_QD, 3, mask=mask), expected)


def _bfloat16(values: Float32) -> Float32:
    """Cut to the upper 16 bits, as a library that was told so may do."""
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def test_a_batch_gives_each_query_what_it_gets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shortlist_kernels.cuda.search.QUERIES_AT_ONCE", 2)
    random = np.random.default_rng(8)
    index = device_index(np.arange(50), vectors_of(EASY, random, 50, 4), "cosine")
    queries_QD = vectors_of(EASY, random, 3, 4)
    rules: dict[str, Any] = {
        "mask": random.random((3, 50)) < 0.8,
        "bias": random.standard_normal((3, 50), np.float32),
        "exclude": (np.array([0, 2, 2, 5]), np.arange(5)),
    }
    scores_QK, ids_QK = index.search(queries_QD, 3, **rules)
    assert not {0, 1} & set(ids_QK[0])
    alone = index.search(queries_QD[2:], 3, mask=rules["mask"][2], bias=rules["bias"][2], exclude=np.arange(2, 5))
    assert_same((scores_QK[2:], ids_QK[2:]), alone)


def test_nothing_to_find_is_padding() -> None:
    vectors_ND = np.ones((3, 2), np.float32)
    index = device_index(np.array([7, 5, 6]), vectors_ND, "inner_product")
    assert index.search(vectors_ND[:1], 5)[1].tolist() == [[5, 6, 7, -1, -1]]
    assert index.search(vectors_ND[:1], 2, allow=np.empty(0, np.int64))[0].tolist() == [[-np.inf, -np.inf]]
    assert [part.shape for part in index.search(vectors_ND[:2], 0)] == [(2, 0)] * 2
    assert [part.shape for part in index.search(vectors_ND[:0], 4)] == [(0, 4)] * 2
    empty = device_index(np.empty(0, np.int64), np.empty((0, 2), np.float32), "cosine")
    assert empty.search(vectors_ND[:1], 2)[1].tolist() == [[-1, -1]]


def test_an_index_is_taken_as_it_is_now() -> None:
    from shortlist_kernels.cuda import DeviceIndex

    random = np.random.default_rng(9)
    index = VectorIndex(3, "pearson")
    index.add(np.arange(40), vectors_of(EASY, random, 40, 3))
    index.remove(np.arange(0, 20, 3))
    on_device = DeviceIndex.of(index)
    queries_QD = vectors_of(EASY, random, 2, 3)
    assert (len(on_device), on_device.ids.tolist()) == (len(index), index.ids.tolist())
    assert_same(on_device.search(queries_QD, 5), index.search(queries_QD, 5))


def test_the_dispatch_computes_on_the_device_what_has_kernels() -> None:
    random = np.random.default_rng(10)
    index = VectorIndex(3)
    index.add(np.arange(40), vectors_of(EASY, random, 40, 3))
    queries_QD = vectors_of(EASY, random, 1, 3)
    with dispatch.using("cuda") as backend:
        assert backend.name == "cuda"
        for step in range(3):
            if step == 1:
                index.update([3], queries_QD * 9)
            if step == 2:
                index.remove([3])
            found = index.search(queries_QD, 2, exclude=[5])
            with dispatch.using("reference"):
                assert_same(found, index.search(queries_QD, 2, exclude=[5]))
        assert index.score(queries_QD, np.array([[7]])).shape == (1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.array([1, 1])}, "ids must be distinct, got 1"),
        ({"vectors": np.full((2, 2), np.nan, np.float32)}, "vectors must be finite, got nan"),
        ({"vectors": np.ones((3, 2), np.float32)}, r"vectors must be float32 of shape \(2, D\)"),
        ({"vectors": np.ones((2, 2))}, "vectors must be float32 .* got float64"),
        ({"metric": "dot"}, "metric must be one of"),
    ],
)
def test_a_bad_argument_of_an_index_is_named(change: dict[str, Any], message: str) -> None:
    from shortlist_kernels.cuda import DeviceIndex

    good: dict[str, Any] = {"ids": np.array([1, 2]), "vectors": np.ones((2, 2), np.float32)}
    with pytest.raises(ValueError, match=message):
        DeviceIndex(**(good | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queries": np.ones((1, 3), np.float32)}, r"queries must be float32 of shape \(Q, 2\)"),
        ({"queries": np.array([[1, np.inf]], np.float32)}, r"queries must be finite, got inf at position \(0, 1\)"),
        ({"k": -1}, "k must be an integer from 0"),
        ({"mask": np.ones(3, np.bool_)}, "mask must be bool"),
        ({"bias": np.ones(3, np.float32)}, "bias must be float32"),
        ({"bias": np.array([1, np.nan], np.float32)}, "bias must be finite, got nan"),
    ],
)
def test_a_bad_argument_of_a_search_is_named(change: dict[str, Any], message: str) -> None:
    index = device_index(np.array([1, 2]), np.ones((2, 2), np.float32), "euclidean")
    good: dict[str, Any] = {"queries": np.ones((1, 2), np.float32), "k": 1}
    with pytest.raises(ValueError, match=message):
        index.search(**(good | change))
