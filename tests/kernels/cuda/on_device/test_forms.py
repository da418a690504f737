"""One small case of each kernel that has a warp form: those threads are slow in the simulator."""

from typing import Any

import numpy as np

from shortlist_kernels import dispatch, rerank
from shortlist_kernels import fuse as fuse_on_host
from shortlist_kernels import topk as topk_on_host
from tests.kernels.search_cases import assert_same, true_best, true_scores, vectors_of


def test_search() -> None:
    from shortlist_kernels.cuda import DeviceIndex

    random = np.random.default_rng(0)
    vectors_ND, queries_QD = vectors_of("duplicates", random, 70, 3), vectors_of("normal", random, 1, 3)
    allowed_QN = random.random((1, 70)) < 0.8
    ids_N = random.permutation(70)
    expected = true_best(true_scores("pearson", queries_QD, vectors_ND), ids_N, 2, allowed_QN)
    assert_same(DeviceIndex(ids_N, vectors_ND, "pearson").search(queries_QD, 2, mask=allowed_QN), expected)


def test_filtering_of_products(monkeypatch: Any) -> None:
    from shortlist_kernels.cuda import DeviceIndex, libraries

    def multiply(probes: Any, rows: Any, products: Any) -> None:
        products.copy_to_device(np.ascontiguousarray(probes.copy_to_host() @ rows.copy_to_host().T))

    monkeypatch.setattr(libraries, "found", lambda: libraries.Library(multiply, lambda: False))
    monkeypatch.setattr("shortlist_kernels.cuda.search.LIBRARY_QUERIES", 1)
    random = np.random.default_rng(1)
    vectors_ND, queries_QD = vectors_of("normal", random, 70, 2), vectors_of("normal", random, 2, 2)
    expected = true_best(true_scores("euclidean", queries_QD, vectors_ND), np.arange(70), 3)
    assert_same(DeviceIndex(np.arange(70), vectors_ND, "euclidean").search(queries_QD, 3), expected)


def test_topk() -> None:
    from shortlist_kernels.cuda import topk

    scores = np.random.default_rng(2).integers(-3, 3, (1, 90)).astype(np.float32)
    assert_same(topk(scores, 7), topk_on_host(scores, 7))


def test_fuse() -> None:
    from shortlist_kernels.cuda import fuse

    random = np.random.default_rng(3)
    ids, scores = [random.permutation(60)[:40] for _ in range(2)], [random.random(40) for _ in range(2)]
    assert_same(fuse(ids, scores, 5), fuse_on_host(ids, scores, 5))


def test_mmr_and_dpp() -> None:
    random = np.random.default_rng(4)
    vectors, scores = vectors_of("normal", random, 70, 3), random.integers(0, 4, 70) / 2
    expected = rerank.mmr(vectors, scores, 3, 0.6), rerank.dpp(vectors, scores, 4, 0.6)
    with dispatch.using("cuda"):
        found = rerank.mmr(vectors, scores, 3, 0.6), rerank.dpp(vectors, scores, 4, 0.6)
    for got, want in zip(found, expected, strict=True):
        assert_same(got, want)
