from typing import Any

import numpy as np
import pytest

from shortlist_kernels import dispatch
from shortlist_kernels import fuse as fuse_on_host
from shortlist_kernels.arrays import FUSION_METHODS, FUSION_NORMS
from tests.kernels.search_cases import assert_same


def lists(seed: int) -> tuple[list[Any], list[Any]]:
    """Lists of ids that overlap, with entries left out, equal scores, and one list that is empty."""
    random = np.random.default_rng(seed)
    lengths = (9, 0, 14)
    ids = [np.stack([random.permutation(20)[:length] for _ in range(2)]).astype(np.int64) for length in lengths]
    scores = [random.integers(-3, 9, (2, length)) / 7 for length in lengths]
    scores[0] = scores[0].astype(np.float32)
    for ids_QK, scores_QK in zip(ids, scores, strict=True):
        ids_QK[random.random(ids_QK.shape) < 0.15] = -1
        scores_QK[random.random(ids_QK.shape) < 0.15] = -np.inf
    return ids, scores


CASES = [
    (method, norm) for method in FUSION_METHODS for norm in (FUSION_NORMS if method == "weighted" else ("minmax",))
]


@pytest.mark.parametrize(("method", "norm"), CASES)
@pytest.mark.parametrize("weights", [None, [0.3, 1.0, 0.7], [1.0, 2.0, 0.0]])
def test_fuse_finds_what_the_reference_finds(method: str, norm: str, weights: list[float] | None) -> None:
    from shortlist_kernels.cuda import fuse

    ids, scores = lists(seed=len(method) + len(norm))
    arguments: Any = (ids, scores, 8, method, weights, norm)
    with dispatch.using("reference"):
        expected = fuse_on_host(*arguments)
    assert_same(fuse(*arguments), expected, method, norm, weights)
    with dispatch.using("cuda"):
        assert_same(fuse_on_host(*arguments), expected, method, norm, weights)


def test_queries_are_cut_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from shortlist_kernels.cuda import backend, fuse

    monkeypatch.setattr(backend, "BLOCKS_ALONG_Y", 1)
    ids, scores = lists(seed=3)
    assert len(ids[0]) > 1
    assert_same(fuse(ids, scores, 5), fuse_on_host(ids, scores, 5))
    ids[2][-1, :2] = 7
    scores[2][-1, :2] = 1
    for run in (fuse, fuse_on_host):
        with pytest.raises(ValueError, match=rf"7 more than once, again at position \({len(ids[0]) - 1}, 1\)"):
            run(ids, scores, 5)


def test_device_lists_of_no_length_give_padding() -> None:
    from shortlist_kernels.cuda import backend, fuse

    scores, ids = fuse([backend.nothing((2, 0), np.int64)], [backend.nothing((2, 0), np.float32)], 2)
    assert ids.copy_to_host().tolist() == [[-1, -1]] * 2
    assert scores.copy_to_host().tolist() == [[-np.inf, -np.inf]] * 2


def test_single_lists_and_more_than_there_is() -> None:
    from shortlist_kernels.cuda import fuse

    ids, scores = [np.array([5, 6, 7, -1]), np.array([7, 8])], [np.array([4, 3, 2, 1], np.float32), np.array([9.0, 9])]
    assert_same(fuse(ids, scores, 6), fuse_on_host(ids, scores, 6))
    assert_same(fuse(ids, scores, 0), fuse_on_host(ids, scores, 0))
    nothing = [np.empty((0, 3), np.int64)], [np.empty((0, 3))]
    assert_same(fuse(*nothing, 2), fuse_on_host(*nothing, 2))
    assert_same(fuse([np.full(3, -1)], [np.ones(3)], 2), fuse_on_host([np.full(3, -1)], [np.ones(3)], 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "sum"}, "method must be one of"),
        ({"weights": [1]}, "weights must have one entry per list"),
        ({"lists_of_ids": [np.array([1, 2]), np.array([7, 7])]}, r"lists_of_ids\[1\] must be distinct"),
        ({"lists_of_ids": [np.array([1, -2]), np.array([7, 8])]}, r"lists_of_ids\[0\] must be within -1 .* got -2"),
        ({"lists_of_scores": [np.ones(2), np.array([1, np.nan])]}, r"lists_of_scores\[1\] must be finite, got nan"),
        ({"lists_of_scores": [np.ones(2), np.array([1, 1e308])]}, r"lists_of_scores\[1\] must fit float32"),
        ({"lists_of_scores": [np.ones(2), np.ones(3)]}, r"lists_of_scores\[1\] must be float32 or float64 of shape"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], message: str) -> None:
    from shortlist_kernels.cuda import fuse

    good: dict[str, Any] = {
        "lists_of_ids": [np.array([1, 2]), np.array([7, 8])],
        "lists_of_scores": [np.ones(2), np.ones(2)],
        "k": 2,
    }
    with pytest.raises(ValueError, match=message):
        fuse(**(good | change))
