from typing import Any

import numpy as np
import pytest

from shortlist_kernels import dispatch, rerank
from tests.kernels.search_cases import assert_same, vectors_of


def candidates(kind: str) -> tuple[Any, Any]:
    """Two queries, with equal scores and some that are barred."""
    random = np.random.default_rng(len(kind))
    vectors = vectors_of(kind, random, 2 * 19, 5).reshape(2, 19, 5)
    scores = random.integers(0, 6, (2, 19)) / 4
    scores[random.random(scores.shape) < 0.2] = -np.inf
    return vectors, scores


@pytest.mark.parametrize("kind", ["normal", "duplicates", "one-hot rows", "mostly zero rows", "near ties"])
@pytest.mark.parametrize("diversity", [0.0, 0.35, 1.0])
def test_mmr_takes_what_the_reference_takes(kind: str, diversity: float) -> None:
    from shortlist_kernels.cuda import mmr

    vectors, scores = candidates(kind)
    with dispatch.using("reference"):
        expected = rerank.mmr(vectors, scores, 6, diversity)
    assert_same(mmr(vectors, scores, 6, diversity), expected, kind)


@pytest.mark.parametrize("kind", ["normal", "duplicates", "one-hot rows", "mostly zero rows", "constant offset"])
@pytest.mark.parametrize("diversity", [0.0, 0.35, 1.0])
def test_dpp_takes_what_the_reference_takes(kind: str, diversity: float) -> None:
    from shortlist_kernels.cuda import dpp

    vectors, scores = candidates(kind)
    with dispatch.using("reference"):
        expected = rerank.dpp(vectors, scores, 7, diversity)
    assert_same(dpp(vectors, scores, 7, diversity), expected, kind)


def test_the_dispatch_reranks_on_the_device() -> None:
    vectors, scores = candidates("normal")
    expected = rerank.mmr(vectors, scores, 9, [0.2, 0.9]), rerank.dpp(vectors, scores, 25, [0.2, 0.9])
    with dispatch.using("cuda"):
        found = rerank.mmr(vectors, scores, 9, [0.2, 0.9]), rerank.dpp(vectors, scores, 25, [0.2, 0.9])
    for got, want in zip(found, expected, strict=True):
        assert_same(got, want)


@pytest.mark.parametrize("name", ["mmr", "dpp"])
def test_queries_are_cut_in_parts(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from shortlist_kernels import cuda
    from shortlist_kernels.cuda import backend

    monkeypatch.setattr(backend, "BLOCKS_ALONG_Y", 1)
    vectors, scores = candidates("normal")
    assert len(scores) > 1
    expected = getattr(rerank, name)(vectors, scores, 6, 0.4)
    assert_same(getattr(cuda, name)(vectors, scores, 6, 0.4), expected)


@pytest.mark.parametrize("name", ["mmr", "dpp"])
def test_one_list_and_lists_of_nothing(name: str) -> None:
    from shortlist_kernels import cuda

    on_device, on_host = getattr(cuda, name), getattr(rerank, name)
    vectors, scores = candidates("normal")
    assert_same(on_device(vectors[0], scores[0], 3, 0.5), on_host(vectors[0], scores[0], 3, 0.5))
    assert_same(on_device(vectors[:0], scores[:0], 3, 0.5), on_host(vectors[:0], scores[:0], 3, 0.5))
    assert_same(on_device(vectors[:, :0], scores[:, :0], 3, 0.5), on_host(vectors[:, :0], scores[:, :0], 3, 0.5))
    assert_same(on_device(vectors, scores, 0, 0.5), on_host(vectors, scores, 0, 0.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": np.ones((2, 2), np.float32)}, r"vectors must be float32 of shape \(3, D\)"),
        ({"scores": np.array([1, np.nan, 2])}, "scores must be finite, got nan"),
        ({"diversity": 1.5}, "diversity must be within 0 to 1, got 1.5"),
        ({"k": -1}, "k must be an integer from 0"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], message: str) -> None:
    from shortlist_kernels.cuda import mmr

    good: dict[str, Any] = {"vectors": np.ones((3, 2), np.float32), "scores": np.ones(3), "k": 2, "diversity": 0.5}
    with pytest.raises(ValueError, match=message):
        mmr(**(good | change))
