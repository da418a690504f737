"""The promise of `VectorIndex.search`: the true top-k, in float64 order, with the same bits whoever computes.

Hypothesis draws other cases on every run of a person and the same ones where the variable CI is set.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist_kernels import VectorIndex, dispatch
from shortlist_kernels.arrays import METRICS, Float32
from tests.kernels.filter_cases import BIASES, FILTERS, bias_of
from tests.kernels.search_cases import (
    COMPILED,
    HISTORIES,
    ID_KINDS,
    KINDS,
    THREADS,
    assert_same,
    filled,
    ids_of,
    queries_for,
    true_best,
    true_scores,
    vectors_of,
)


def index_of(vectors_ND: Float32, metric: str) -> VectorIndex:
    index = VectorIndex(vectors_ND.shape[1], metric)
    index.add(np.arange(len(vectors_ND)), vectors_ND)
    return index


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_data_hides_a_better_item(isa: str, metric: str, kind: str) -> None:
    random = np.random.default_rng(len(kind))
    for num_items, dim in [(1041, 40), (700, 3), (523, 130)]:
        vectors_ND = vectors_of(kind, random, num_items, dim)
        queries_QD = queries_for(kind, random, vectors_ND, 9)
        index, ids_N, vectors_ND = filled("at once", random, metric, ids_of("shuffled", random, num_items), vectors_ND)
        scores_QN = true_scores(metric, queries_QD, vectors_ND)
        with dispatch.using(isa):
            for k in (1, 2, 10, 37, 100, 250, num_items + 3):
                expected = true_best(scores_QN, ids_N, k)
                for num_threads in (1, 3):
                    found = index.search(queries_QD, k, num_threads=num_threads)
                    assert_same(found, expected, num_items, dim, k, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize(
    "num_items", [1, 2, 15, 16, 17, 255, 256, 257, 511, 513, 1023, 1025, 4095, 4097, 8193, 16385, 65537]
)
def test_any_number_of_items_is_searched_to_the_last(isa: str, num_items: int) -> None:
    random = np.random.default_rng(num_items)
    for metric in METRICS if num_items < 5000 else ("inner_product", "euclidean"):
        vectors_ND = vectors_of("normal", random, num_items, 5)
        vectors_ND[-1] *= 4  # the last one often wins
        index, queries_QD = index_of(vectors_ND, metric), random.standard_normal((3, 5), np.float32)
        scores_QN = true_scores(metric, queries_QD, vectors_ND)
        with dispatch.using(isa):
            for k in (0, 1, 10, 100, num_items, num_items + 3):
                expected = true_best(scores_QN, np.arange(num_items), k)
                for num_threads in THREADS:
                    assert_same(index.search(queries_QD, k, num_threads=num_threads), expected, metric, k, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 127, 128, 129, 768, 2048])
def test_any_dimension_is_searched_exactly(isa: str, metric: str, dim: int) -> None:
    random = np.random.default_rng(dim)
    for kind in ("normal", "half steps", "small whole numbers"):
        vectors_ND = vectors_of(kind, random, 301, dim)
        queries_QD = queries_for(kind, random, vectors_ND, 5)
        index, scores_QN = index_of(vectors_ND, metric), true_scores(metric, queries_QD, vectors_ND)
        with dispatch.using(isa):
            for k in (1, 10, 60, 301):
                assert_same(index.search(queries_QD, k), true_best(scores_QN, np.arange(301), k), kind, k)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("coarse", ["items", "query"])
def test_a_bound_may_not_be_short_by_a_thousandth(isa: str, metric: str, coarse: str) -> None:
    """Codes of `peak` steps are too low by half a step in all dimensions, along the other vector: no error is larger.

    The best item needs its whole bound to be seen past the second best, which scores as good as the same.
    """
    dim, num_items = 258, 300
    signs_D = np.where(np.arange(dim) % 2, -1.0, 1.0)
    for peak in (31, 62, 63, 64, 126, 127, 128, 255):
        rough_D, smooth_D = 0.4995 * signs_D, signs_D.copy()
        rough_D[:2], smooth_D[:2] = (peak, -peak), 0
        vectors_ND = np.zeros((num_items, dim), np.float32)
        if coarse == "items":
            query_D, vectors_ND[-1] = 4 * peak * smooth_D, rough_D
            vectors_ND[0], vectors_ND[0, 2:] = rough_D, 0.9999 * rough_D[2:]
        else:
            query_D, vectors_ND[-1], vectors_ND[0] = rough_D, smooth_D / 1024, 0.9999 * smooth_D / 1024
            vectors_ND[0, :2] = 1e-5
        queries_QD = np.asarray(query_D[np.newaxis], np.float32)
        expected = true_best(true_scores(metric, queries_QD, vectors_ND), np.arange(num_items), 2)
        assert expected[1].tolist() == [[num_items - 1, 0]]
        with dispatch.using(isa):
            assert_same(index_of(vectors_ND, metric).search(queries_QD, 1), (expected[0][:, :1], expected[1][:, :1]))


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("num_queries", [1, 2, 5, 31, 32, 33, 255, 257, 1025])
def test_any_batch_and_any_number_of_threads_give_the_same_bits(isa: str, num_queries: int) -> None:
    random = np.random.default_rng(num_queries)
    for metric in METRICS:
        vectors_ND = vectors_of("lognormal norms", random, 777, 20)
        distinct_UD = queries_for("normal", random, vectors_ND, 40)
        chosen_Q = random.integers(len(distinct_UD), size=num_queries)
        expected = true_best(true_scores(metric, distinct_UD, vectors_ND), np.arange(777), 20)
        index = index_of(vectors_ND, metric)
        with dispatch.using(isa):
            for num_threads in THREADS:
                found = index.search(distinct_UD[chosen_Q], 20, num_threads=num_threads)
                assert_same(found, (expected[0][chosen_Q], expected[1][chosen_Q]), metric, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
def test_every_item_is_found_by_a_query_of_its_own(isa: str, metric: str) -> None:
    vectors_ND = np.random.default_rng(4).standard_normal((1041, 16), np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    index = index_of(vectors_ND, metric)
    with dispatch.using(isa):
        for num_threads in THREADS:
            ids = index.search(vectors_ND, 1, num_threads=num_threads)[1]
            assert ids.ravel().tolist() == list(range(1041))


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("ids", ID_KINDS)
def test_a_tie_at_the_last_place_goes_to_the_smaller_id_wherever_it_lies(isa: str, metric: str, ids: str) -> None:
    """All items score the same: only ids decide, in one strip and across strips, threads and removals."""
    ids_N = ids_of(ids, np.random.default_rng(8), 1300)
    index = VectorIndex(6, metric)
    index.add(ids_N, np.tile(np.array([1, 2, -3, 0.1, 5, 7], np.float32), (1300, 1)))
    index.remove(ids_N[::7])
    left = np.sort(np.delete(ids_N, np.s_[::7]))
    queries_QD = np.random.default_rng(9).standard_normal((33, 6), np.float32)
    with dispatch.using(isa):
        for k in (1, 16, 100, 999):
            for num_threads in THREADS:
                assert (index.search(queries_QD, k, num_threads=num_threads)[1] == left[:k]).all()


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("kind", ["normal", "clustered unit vectors", "lognormal norms", "ascending", "near ties"])
def test_many_items_are_searched_exactly(isa: str, kind: str) -> None:
    random = np.random.default_rng(1)
    vectors_ND = vectors_of(kind, random, 20_011, 32)
    queries_QD = queries_for(kind, random, vectors_ND, 35)
    index = index_of(vectors_ND, "inner_product")
    scores_QN = true_scores("inner_product", queries_QD, vectors_ND)
    with dispatch.using(isa):
        for k in (1, 100):
            expected = true_best(scores_QN, np.arange(20_011), k)
            for num_threads in (1, 2, 8):
                assert_same(index.search(queries_QD, k, num_threads=num_threads), expected, k, num_threads)
            assert_same(index.search(queries_QD[:1], k), (expected[0][:1], expected[1][:1]), k, "alone")


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_the_best_of_what_it_allows(isa: str, metric: str, name: str) -> None:
    random = np.random.default_rng(len(name))
    vectors_ND = vectors_of("normal", random, 3003, 12)
    queries_QD = queries_for("normal", random, vectors_ND, 35)
    index, ids_N, vectors_ND = filled("thinned out", random, metric, ids_of("largest", random, 3003), vectors_ND)
    scores_QN = true_scores(metric, queries_QD, vectors_ND)
    arguments, allowed_QN = FILTERS[name](random, ids_N, scores_QN)
    with dispatch.using(isa):
        for k in (1, 10, 100, 3000):
            expected = true_best(scores_QN, ids_N, k, allowed_QN)
            for num_threads in (1, 2, 8):
                found = index.search(queries_QD, k, **arguments, num_threads=num_threads)
                assert_same(found, expected, k, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", BIASES)
def test_a_bias_of_any_size_counts_in_full(isa: str, metric: str, kind: str) -> None:
    random = np.random.default_rng(len(kind))
    vectors_ND = vectors_of("normal", random, 1501, 20)
    queries_QD = queries_for("normal", random, vectors_ND, 11)
    index = index_of(vectors_ND, metric)
    bias_N = bias_of(kind, random, true_scores(metric, queries_QD[:1], vectors_ND)[0])
    scores_QN = true_scores(metric, queries_QD, vectors_ND, bias_N)
    with dispatch.using(isa):
        for k in (1, 10, 100, 1501):
            expected = true_best(scores_QN, np.arange(1501), k)
            for num_threads in (1, 3):
                found = index.search(queries_QD, k, bias=bias_N, num_threads=num_threads)
                assert_same(found, expected, k, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", BIASES)
def test_each_query_may_have_a_bias_of_its_own(isa: str, metric: str, kind: str) -> None:
    random = np.random.default_rng(len(kind))
    vectors_ND = vectors_of("normal", random, 1501, 20)
    queries_QD = queries_for("normal", random, vectors_ND, 35)
    index, scores_QN = index_of(vectors_ND, metric), true_scores(metric, queries_QD, vectors_ND)
    bias_QN = bias_of(kind, random, scores_QN)
    _, allowed_QN = FILTERS["mask per query"](random, np.arange(1501), scores_QN)
    with dispatch.using(isa):
        for k in (1, 10, 100, 1501):
            expected = true_best(scores_QN + bias_QN, np.arange(1501), k, allowed_QN)
            for num_threads in (1, 3):
                found = index.search(queries_QD, k, mask=allowed_QN, bias=bias_QN, num_threads=num_threads)
                assert_same(found, expected, k, num_threads)


@pytest.mark.parametrize("isa", COMPILED)
def test_one_row_of_bias_is_of_its_query_only(isa: str) -> None:
    index = index_of(np.zeros((40, 3), np.float32), "inner_product")
    bias_QN = np.eye(40, dtype=np.float32)[::-1]
    with dispatch.using(isa):
        scores, ids = index.search(np.zeros((40, 3), np.float32), 1, bias=bias_QN)
        assert ids.ravel().tolist() == list(range(39, -1, -1))
        assert (scores == 1).all()
        assert index.search(np.zeros((1, 3), np.float32), 1, bias=bias_QN[3:4])[1].tolist() == [[36]]


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (2, 4), (2,), (2, 3, 1), ()])
def test_a_bias_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    index = index_of(np.ones((3, 2), np.float32), "inner_product")
    with pytest.raises(ValueError, match="bias must be float32"):
        index.search(np.ones((2, 2), np.float32), 1, bias=np.zeros(shape, np.float32))


@pytest.mark.parametrize("isa", COMPILED)
def test_searches_at_the_same_time_do_not_meet(isa: str) -> None:
    random = np.random.default_rng(2)
    vectors_ND = vectors_of("normal", random, 2500, 24)
    index, queries_QD = index_of(vectors_ND, "inner_product"), random.standard_normal((40, 24), np.float32)
    scores_QN = true_scores("inner_product", queries_QD, vectors_ND)

    def search_often(k: int) -> None:
        expected = true_best(scores_QN, np.arange(2500), k)
        for turn in range(40):
            assert_same(index.search(queries_QD, k, num_threads=1 + turn % 4), expected, k, turn)

    with dispatch.using(isa), ThreadPoolExecutor(4) as threads:
        list(threads.map(search_often, (3, 10, 50, 100)))


SIZES = (
    st.integers(1, 70)
    | st.integers(1, 700)
    | st.builds(lambda groups, more: 16 * groups + more, st.integers(1, 48), st.integers(0, 2))
)
DIMS = st.integers(1, 20) | st.integers(1, 140)


@settings(deadline=None, max_examples=2000)
@given(data=st.data(), metric=st.sampled_from(METRICS), kind=st.sampled_from(list(KINDS)), seed=st.integers(0, 2**32))
def test_any_search_of_any_index_equals_the_definition(data: st.DataObject, metric: str, kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    num_items, num_queries = data.draw(SIZES, "items"), data.draw(st.integers(1, 6), "queries")
    vectors_ND = vectors_of(kind, random, num_items, data.draw(DIMS, "dim"))
    queries_QD = queries_for(kind, random, vectors_ND, num_queries)
    index, ids_N, vectors_ND = filled(
        data.draw(st.sampled_from(HISTORIES), "history"),
        random,
        metric,
        ids_of(data.draw(st.sampled_from(ID_KINDS), "ids"), random, num_items),
        vectors_ND,
        before=data.draw(st.sampled_from(list(KINDS)), "before"),
    )
    bias_N, bias_kind = None, data.draw(st.none() | st.sampled_from(BIASES), "bias")
    scores_QN = true_scores(metric, queries_QD, vectors_ND)
    if bias_kind:
        bias_N = bias_of(bias_kind, random, scores_QN[0])
        scores_QN = scores_QN + bias_N
    arguments, allowed_QN = FILTERS[data.draw(st.sampled_from(list(FILTERS)), "filter")](random, ids_N, scores_QN)
    k = data.draw(st.sampled_from([1, 10, 100, num_items, num_items + 3]) | st.integers(0, num_items + 3), "k")
    num_threads = data.draw(st.sampled_from(THREADS), "threads")
    expected = true_best(scores_QN, ids_N, k, allowed_QN)
    for isa in COMPILED:
        with dispatch.using(isa):
            found = index.search(queries_QD, k, **arguments, bias=bias_N, num_threads=num_threads)
            assert_same(found, expected, isa)
