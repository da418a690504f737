from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist_kernels import fuse

IDS = [np.array([5, 6, 7, -1]), np.array([7, 8])]
SCORES = [np.array([4, 3, 2, -np.inf], np.float32), np.array([9, 9], np.float32)]


def fused(method: str, k: int = 6, **options: Any) -> dict[int, float]:
    scores, ids = fuse(IDS, SCORES, k, method, **options)
    assert scores.dtype == np.float32
    assert ids.dtype == np.int64
    return {int(item): float(score) for item, score in zip(ids, scores, strict=True) if item != -1}


def test_rrf_adds_reciprocal_ranks() -> None:
    expected = {7: 1 / 63 + 1 / 61, 5: 1 / 61, 6: 1 / 62, 8: 1 / 62}
    assert list(fused("rrf").items()) == [(item, float(np.float32(score))) for item, score in expected.items()]


def test_weighted_adds_normalised_scores() -> None:
    assert list(fused("weighted").items()) == [(5, 1), (7, 1), (8, 1), (6, 0.5)]
    assert list(fused("weighted", weights=[1, 0.25]).items()) == [(5, 1), (6, 0.5), (7, 0.25), (8, 0.25)]
    assert list(fused("weighted", norm="none").items()) == [(7, 11), (8, 9), (5, 4), (6, 3)]
    deviation = float(np.float32(1 / np.sqrt(2 / 3)))
    assert list(fused("weighted", norm="zscore").items()) == [(5, deviation), (6, 0), (8, 0), (7, -deviation)]


def test_max_keeps_the_largest_weighted_score() -> None:
    assert list(fused("max").items()) == [(7, 9), (8, 9), (5, 4), (6, 3)]
    assert list(fused("max", weights=[1, 0.25]).items()) == [(5, 4), (6, 3), (7, 2.25), (8, 2.25)]


def test_round_robin_takes_from_each_list_in_turn() -> None:
    assert [item for item, _ in fused("round_robin").items()] == [5, 7, 6, 8]
    assert list(fused("round_robin").values()) == [1, 0.5, float(np.float32(1 / 3)), 0.25]


@pytest.mark.parametrize("method", ["rrf", "weighted", "max", "round_robin"])
def test_a_list_of_weight_zero_is_left_out(method: str) -> None:
    assert set(fused(method, weights=[0, 1])) == {7, 8}


@pytest.mark.parametrize("method", ["rrf", "weighted", "max", "round_robin"])
def test_fewer_items_than_k_are_padded_and_k_zero_is_empty(method: str) -> None:
    scores, ids = fuse(IDS, SCORES, 6, method)
    assert ids[4:].tolist() == [-1, -1]
    assert scores[4:].tolist() == [-np.inf, -np.inf]
    assert fuse(IDS, SCORES, 0, method)[1].shape == (0,)


@pytest.mark.parametrize("norm", ["minmax", "zscore", "none"])
@pytest.mark.parametrize("method", ["rrf", "weighted", "max", "round_robin"])
def test_empty_lists_and_lists_of_padding_give_padding(method: str, norm: str) -> None:
    ids = [np.empty((2, 0), np.int64), np.full((2, 3), -1), np.array([[1, 2, 3], [4, 5, 6]])]
    scores = [np.empty((2, 0)), np.zeros((2, 3)), np.full((2, 3), -np.inf)]
    found_scores, found_ids = fuse(ids, scores, 2, method, norm=norm)
    assert found_ids.tolist() == [[-1, -1]] * 2
    assert found_scores.tolist() == [[-np.inf, -np.inf]] * 2
    assert fuse([np.empty((0, 4), np.int64)], [np.empty((0, 4))], 2, method)[0].shape == (0, 2)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    method=st.sampled_from(["rrf", "weighted", "max", "round_robin"]),
    norm=st.sampled_from(["minmax", "zscore", "none"]),
)
def test_a_batch_gives_each_query_what_it_gets_alone(data: st.DataObject, method: str, norm: str) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 9999)))
    num_queries, lengths = 5, [7, 0, 30]
    ids = [np.stack([random.permutation(40)[:n] for _ in range(num_queries)]) for n in lengths]
    scores = [random.integers(-3, 9, (num_queries, n)).astype(np.float64) / 7 for n in lengths]
    for ids_QK in ids:
        ids_QK[random.random(ids_QK.shape) < 0.2] = -1
    options: dict[str, Any] = {"weights": [0.3, 1, 0.7], "norm": norm}
    together = fuse(ids, scores, 12, method, **options)
    for query in range(num_queries):
        kept = [row[query] != -1 for row in ids]
        alone = fuse(
            [row[query][keep] for row, keep in zip(ids, kept, strict=True)],
            [row[query][keep] for row, keep in zip(scores, kept, strict=True)],
            12,
            method,
            **options,
        )
        assert [part.tobytes() for part in alone] == [part[query].tobytes() for part in together]
        in_order = list(zip((-alone[0]).tolist(), alone[1].tolist(), strict=True))
        found = in_order[: int((alone[1] != -1).sum())]
        assert found == sorted(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "borda"}, "method must be one of rrf, weighted, max, round_robin, got 'borda'"),
        ({"norm": "l2"}, "norm must be one of minmax, zscore, none, got 'l2'"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"weights": [1]}, r"weights must have one entry per list \(2\), got 1"),
        ({"weights": [1, -0.5]}, r"weights\[1\] must be within 0 to 3.40282e\+38, got -0.5"),
        ({"weights": [1, float("nan")]}, r"weights\[1\] must be within 0 to .* got nan"),
        ({"weights": [1, 1e300]}, r"weights\[1\] must be within 0 to 3.40282e\+38, got 1e\+300"),
        ({"lists_of_ids": [], "lists_of_scores": []}, "got 0 and 0"),
        ({"lists_of_ids": IDS[:1]}, "lists_of_scores must have one entry per list of ids"),
        ({"lists_of_ids": [IDS[0], np.array([7, 7])]}, r"lists_of_ids\[1\] must be distinct .*, got 7 more than once"),
        ({"lists_of_ids": [IDS[0], np.array([7, -2])]}, r"lists_of_ids\[1\] must be within -1 .* got -2"),
        ({"lists_of_ids": [IDS[0], np.array([7.0, 8])]}, r"lists_of_ids\[1\] must be int64, got float64"),
        ({"lists_of_ids": [IDS[0], np.array([7])]}, r"lists_of_scores\[1\] must be float32 or float64 of shape \(1,\)"),
        ({"lists_of_scores": [SCORES[0], np.array([1, np.nan])]}, r"lists_of_scores\[1\] must be finite, got nan"),
        ({"lists_of_scores": [SCORES[0], np.array([1, np.inf])]}, r"lists_of_scores\[1\] must be finite, got inf"),
        ({"lists_of_scores": [SCORES[0], np.array([1, 1e308])]}, r"lists_of_scores\[1\] must fit float32, got 1e\+308"),
        ({"lists_of_ids": [IDS[0], [[7], [8, 9]]]}, r"lists_of_ids\[1\] must be an array, got a ragged list"),
        ({"lists_of_scores": [SCORES[0], [[7], [8, 9]]]}, r"lists_of_scores\[1\] must be an array, got a ragged"),
        (
            {"lists_of_ids": [IDS[0], IDS[1][None]], "lists_of_scores": [SCORES[0], SCORES[1][None]]},
            "lists_of_ids must agree in their leading axis",
        ),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"lists_of_ids": IDS, "lists_of_scores": SCORES, "k": 3} | change
    with pytest.raises(ValueError, match=message):
        fuse(**arguments)
