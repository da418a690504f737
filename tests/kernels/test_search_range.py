"""The promise of `VectorIndex.search_range`: every allowed item whose float64 score reaches the limit, and no other."""

from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist_kernels import VectorIndex, dispatch, reference
from shortlist_kernels.arrays import METRICS, Float32, Float64, Int64
from tests.kernels.filter_cases import BIASES, FILTERS, bias_of
from tests.kernels.search_cases import (
    COMPILED,
    HISTORIES,
    ID_KINDS,
    KINDS,
    THREADS,
    Bools,
    assert_same,
    filled,
    ids_of,
    in_order,
    queries_for,
    true_scores,
    vectors_of,
)

FoundRange: TypeAlias = tuple[Int64, Float32, Int64]
EVERY = [*COMPILED, "reference"]


def true_range(scores_QN: Float64, ids_N: Int64, min_score_Q: Float64, allowed_QN: Bools | None = None) -> FoundRange:
    """What `search_range` must return."""
    indptr, scores, ids = [0], [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    for query, (scores_N, min_score) in enumerate(zip(scores_QN, min_score_Q, strict=True)):
        reached_N = scores_N >= min_score
        positions = in_order(scores_N, ids_N, reached_N if allowed_QN is None else reached_N & allowed_QN[query])
        scores.append(reference.to_float32(scores_N[positions]))
        ids.append(ids_N[positions])
        indptr.append(indptr[-1] + positions.size)
    return np.array(indptr, np.int64), np.concatenate(scores), np.concatenate(ids)


def index_of(vectors: Any, metric: str = "inner_product", ids: Any = None) -> VectorIndex:
    vectors_ND = np.asarray(vectors, np.float32)
    index = VectorIndex(vectors_ND.shape[1], metric)
    index.add(np.arange(len(vectors_ND)) if ids is None else ids, vectors_ND)
    return index


def limits_near(random: np.random.Generator, scores_QN: Float64) -> Float64:
    """float64 (Q,): for each query the score of some item, or the next number above or below it, or a limit of all."""
    num_queries, num_items = scores_QN.shape
    ranks_Q = (random.random(num_queries) ** 3 * num_items).astype(np.int64)
    limits_Q: Float64 = np.take_along_axis(-np.sort(-scores_QN, axis=1), ranks_Q[:, np.newaxis], axis=1)[:, 0]
    toward_Q = random.choice([-np.inf, np.inf], num_queries)
    limits_Q = np.where(random.random(num_queries) < 0.5, np.nextafter(limits_Q, toward_Q), limits_Q)
    return np.where(random.random(num_queries) < 0.1, toward_Q, limits_Q)


@pytest.mark.parametrize("isa", EVERY)
def test_an_item_at_the_limit_is_in_and_one_just_below_is_not(isa: str) -> None:
    index = index_of([[3], [1], [2], [3], [0]], ids=[8, 6, 4, 2, 0])
    query = np.ones((1, 1), np.float32)
    with dispatch.using(isa):
        assert [part.tolist() for part in index.search_range(query, 2.0)] == [[0, 3], [3, 3, 2], [2, 8, 4]]
        assert index.search_range(query, float(np.nextafter(2.0, 3)))[2].tolist() == [2, 8]
        assert index.search_range(query, float(np.nextafter(2.0, 1)))[2].tolist() == [2, 8, 4]
        assert index.search_range(query, -np.inf)[2].tolist() == [2, 8, 4, 6, 0]
        assert [part.size for part in index.search_range(query, np.inf)] == [2, 0, 0]


@pytest.mark.parametrize("isa", EVERY)
def test_the_limit_is_compared_before_the_score_is_rounded(isa: str) -> None:
    index, query = index_of([[1, 0], [1, 1e-12], [1, -1e-12]]), np.ones((1, 2), np.float32)
    with dispatch.using(isa):
        indptr, scores, ids = index.search_range(query, 1.0)
    assert (indptr.tolist(), scores.tolist(), ids.tolist()) == ([0, 2], [1, 1], [1, 0])


@pytest.mark.parametrize("isa", EVERY)
def test_each_query_may_have_a_limit_of_its_own(isa: str) -> None:
    index = index_of([[1], [2], [3]])
    with dispatch.using(isa):
        for limits in (np.array([3.0, 5.0, 1.5, -1.0]), np.array([3.0, 5.0, 1.5, -1.0], np.float32), [3, 5, 1.5, -1]):
            indptr, scores, ids = index.search_range(np.ones((4, 1), np.float32), limits)
            assert indptr.tolist() == [0, 1, 1, 3, 6]
            assert scores.tolist() == [3, 3, 2, 3, 2, 1]
            assert ids.tolist() == [2, 2, 1, 2, 1, 0]


@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize(("num_items", "num_queries"), [(0, 2), (3, 0), (0, 0)])
def test_nothing_to_search_gives_empty_ranges(isa: str, num_items: int, num_queries: int) -> None:
    index = index_of(np.ones((num_items, 2)))
    with dispatch.using(isa):
        found = index.search_range(np.ones((num_queries, 2), np.float32), -1e9)
    expected = (np.zeros(num_queries + 1, np.int64), np.empty(0, np.float32), np.empty(0, np.int64))
    assert_same(found, expected)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_data_hides_an_item_of_the_range(isa: str, metric: str, kind: str) -> None:
    random = np.random.default_rng(len(kind))
    for num_items, dim in [(1041, 40), (523, 130)]:
        vectors_ND = vectors_of(kind, random, num_items, dim)
        queries_QD = queries_for(kind, random, vectors_ND, 9)
        index, scores_QN = index_of(vectors_ND, metric), true_scores(metric, queries_QD, vectors_ND)
        with dispatch.using(isa):
            for _ in range(5):
                limits_Q = limits_near(random, scores_QN)
                expected = true_range(scores_QN, np.arange(num_items), limits_Q)
                for num_threads in (1, 3):
                    found = index.search_range(queries_QD, limits_Q, num_threads=num_threads)
                    assert_same(found, expected, num_items, dim, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("num_items", [1, 15, 16, 17, 255, 256, 257, 1025, 4095, 4097, 16385, 65537])
def test_a_range_may_hold_any_share_of_any_number_of_items(isa: str, num_items: int) -> None:
    random = np.random.default_rng(num_items)
    vectors_ND, queries_QD = vectors_of("normal", random, num_items, 5), random.standard_normal((3, 5), np.float32)
    index, scores_QN = index_of(vectors_ND), true_scores("inner_product", queries_QD, vectors_ND)
    with dispatch.using(isa):
        for limit in (-np.inf, 0.0, 3.0, np.inf, *limits_near(random, scores_QN)):
            expected = true_range(scores_QN, np.arange(num_items), np.full(3, limit))
            for num_threads in THREADS:
                found = index.search_range(queries_QD, float(limit), num_threads=num_threads)
                assert_same(found, expected, limit, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("num_queries", [1, 2, 5, 31, 32, 33, 255, 257, 1025])
def test_any_batch_and_any_number_of_threads_give_the_same_ranges(isa: str, num_queries: int) -> None:
    random = np.random.default_rng(num_queries)
    vectors_ND = vectors_of("lognormal norms", random, 777, 20)
    distinct_UD = queries_for("normal", random, vectors_ND, 40)
    for metric in METRICS:
        index, scores_UN = index_of(vectors_ND, metric), true_scores(metric, distinct_UD, vectors_ND)
        chosen_Q = random.integers(40, size=num_queries)
        limits_Q = limits_near(random, scores_UN[chosen_Q])
        expected = true_range(scores_UN[chosen_Q], np.arange(777), limits_Q)
        with dispatch.using(isa):
            for num_threads in THREADS:
                found = index.search_range(distinct_UD[chosen_Q], limits_Q, num_threads=num_threads)
                assert_same(found, expected, metric, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_of_the_range_what_it_allows(isa: str, name: str) -> None:
    random = np.random.default_rng(len(name))
    vectors_ND = vectors_of("normal", random, 3003, 12)
    queries_QD = queries_for("normal", random, vectors_ND, 35)
    index, scores_QN = index_of(vectors_ND), true_scores("inner_product", queries_QD, vectors_ND)
    bias_QN = bias_of("normal", random, scores_QN)
    arguments, allowed_QN = FILTERS[name](random, np.arange(3003), scores_QN)
    with dispatch.using(isa):
        for bias, biased_QN in (
            (None, scores_QN),
            (bias_QN[0], scores_QN + bias_QN[0]),
            (bias_QN, scores_QN + bias_QN),
        ):
            limits_Q = limits_near(random, biased_QN)
            expected = true_range(biased_QN, np.arange(3003), limits_Q, allowed_QN)
            for num_threads in (1, 2, 8):
                found = index.search_range(queries_QD, limits_Q, **arguments, bias=bias, num_threads=num_threads)
                assert_same(found, expected, num_threads)


@settings(deadline=None, max_examples=800)
@given(data=st.data(), metric=st.sampled_from(METRICS), kind=st.sampled_from(list(KINDS)), seed=st.integers(0, 2**32))
def test_any_range_of_any_index_equals_the_definition(data: st.DataObject, metric: str, kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_items, num_queries = data.draw(st.integers(1, 700), "items"), data.draw(st.integers(1, 6), "queries")
    vectors_ND = vectors_of(kind, random, num_items, data.draw(st.integers(1, 70), "dim"))
    queries_QD = queries_for(kind, random, vectors_ND, num_queries)
    index, ids_N, vectors_ND = filled(
        data.draw(st.sampled_from(HISTORIES), "history"),
        random,
        metric,
        ids_of(data.draw(st.sampled_from(ID_KINDS), "ids"), random, num_items),
        vectors_ND,
        before=data.draw(st.sampled_from(list(KINDS)), "before"),
    )
    bias, bias_kind = None, data.draw(st.none() | st.sampled_from(BIASES), "bias")
    scores_QN = true_scores(metric, queries_QD, vectors_ND)
    if bias_kind:
        per_query = data.draw(st.booleans(), "a bias per query")
        bias = bias_of(bias_kind, random, scores_QN if per_query else scores_QN[0])
        scores_QN = scores_QN + bias
    arguments, allowed_QN = FILTERS[data.draw(st.sampled_from(list(FILTERS)), "filter")](random, ids_N, scores_QN)
    limits_Q = limits_near(random, scores_QN)
    num_threads = data.draw(st.sampled_from(THREADS), "threads")
    expected = true_range(scores_QN, ids_N, limits_Q, allowed_QN)
    for isa in EVERY:
        with dispatch.using(isa):
            found = index.search_range(queries_QD, limits_Q, **arguments, bias=bias, num_threads=num_threads)
            assert_same(found, expected, isa)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
def test_a_range_agrees_with_a_search_of_as_many(isa: str, metric: str) -> None:
    random = np.random.default_rng(5)
    vectors_ND, queries_QD = vectors_of("normal", random, 900, 24), random.standard_normal((6, 24), np.float32)
    index, scores_QN = index_of(vectors_ND, metric), true_scores(metric, queries_QD, vectors_ND)
    limits_Q = np.sort(scores_QN, axis=1)[:, -50]
    with dispatch.using(isa):
        indptr, scores, ids = index.search_range(queries_QD, limits_Q)
        assert indptr.tolist() == list(range(0, 301, 50))
        assert_same((scores.reshape(6, 50), ids.reshape(6, 50)), index.search(queries_QD, 50))


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("queries", np.zeros((2, 3), np.float32), r"queries must be float32 of shape \(Q, 2\)"),
        ("min_score", np.nan, "min_score must .*nan"),
        ("min_score", np.array([0, np.nan]), "min_score must .*nan"),
        ("min_score", np.zeros(3), "min_score must"),
        ("min_score", np.zeros((2, 1)), "min_score must"),
        ("min_score", None, "min_score must .*None"),
        ("min_score", "high", "min_score must .*high"),
        ("exclude", np.zeros(1), "exclude must be int64, got float64"),
        ("mask", np.ones(4, np.bool_), "mask must be bool"),
        ("bias", np.ones(2, np.float32), "bias must be float32"),
        ("bias", np.array([0, np.nan, 0], np.float32), "bias must be finite, got nan"),
        ("num_threads", 0, "num_threads must be an integer from 1"),
    ],
)
def test_search_range_names_a_bad_argument_and_its_value(argument: str, value: Any, message: str) -> None:
    arguments: dict[str, Any] = {"queries": np.zeros((2, 2), np.float32), "min_score": 0.0} | {argument: value}
    with pytest.raises(ValueError, match=message):
        index_of(np.ones((3, 2))).search_range(**arguments)
