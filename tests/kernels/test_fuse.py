from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch, fuse

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
METHODS = ["rrf", "weighted", "max", "round_robin", "borda"]
NORMS = ["minmax", "zscore", "none"]
IDS = [np.array([5, 6, 7, -1]), np.array([7, 8])]
SCORES = [np.array([4, 3, 2, -np.inf], np.float32), np.array([9, 9], np.float32)]
# Of many of these only a few bits differ, the first ones or the last.
LARGEST_ID = 2**63 - 1
SPACINGS = [1, 2**20, 2**40]


@pytest.fixture(scope="module", params=dispatch.available_backends())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each backend that computes, one after the other."""
    with dispatch.using(request.param):
        yield request.param


def fused(method: str, k: int = 6, **options: Any) -> dict[int, float]:
    scores, ids = fuse(IDS, SCORES, k, method, **options)
    assert scores.dtype == np.float32
    assert ids.dtype == np.int64
    return {int(item): float(score) for item, score in zip(ids, scores, strict=True) if item != -1}


def test_rrf_adds_reciprocal_ranks(isa: str) -> None:
    expected = {7: 1 / 63 + 1 / 61, 5: 1 / 61, 6: 1 / 62, 8: 1 / 62}
    assert list(fused("rrf").items()) == [(item, float(np.float32(score))) for item, score in expected.items()]


def test_weighted_adds_normalised_scores(isa: str) -> None:
    assert list(fused("weighted").items()) == [(5, 1), (7, 1), (8, 1), (6, 0.5)]
    assert list(fused("weighted", weights=[1, 0.25]).items()) == [(5, 1), (6, 0.5), (7, 0.25), (8, 0.25)]
    assert list(fused("weighted", norm="none").items()) == [(7, 11), (8, 9), (5, 4), (6, 3)]
    deviation = float(np.float32(1 / np.sqrt(2 / 3)))
    assert list(fused("weighted", norm="zscore").items()) == [(5, deviation), (6, 0), (8, 0), (7, -deviation)]


def test_max_keeps_the_largest_weighted_score(isa: str) -> None:
    assert list(fused("max").items()) == [(7, 9), (8, 9), (5, 4), (6, 3)]
    assert list(fused("max", weights=[1, 0.25]).items()) == [(5, 4), (6, 3), (7, 2.25), (8, 2.25)]


def test_borda_shares_the_points_that_a_list_leaves(isa: str) -> None:
    assert list(fused("borda").items()) == [(7, 2 + 4), (5, 4 + 1.5), (6, 3 + 1.5), (8, 1 + 3)]
    assert list(fused("borda", weights=[1, 3]).items()) == [(7, 2 + 12), (8, 1 + 9), (5, 4 + 4.5), (6, 3 + 4.5)]


def test_borda_gives_the_points_of_an_election_where_all_lists_are_whole(isa: str) -> None:
    ballots = [np.array([1, 2, 3]), np.array([2, 1, 3]), np.array([3, 2, 1])]
    scores, ids = fuse(ballots, [np.zeros(3)] * 3, 3, "borda")
    assert (ids.tolist(), scores.tolist()) == ([2, 1, 3], [7, 6, 5])


def test_round_robin_takes_from_each_list_in_turn(isa: str) -> None:
    assert [item for item, _ in fused("round_robin").items()] == [5, 7, 6, 8]
    assert list(fused("round_robin").values()) == [1, 0.5, float(np.float32(1 / 3)), 0.25]


@pytest.mark.parametrize("method", METHODS)
def test_a_list_of_weight_zero_is_left_out(isa: str, method: str) -> None:
    assert set(fused(method, weights=[0, 1])) == {7, 8}


@pytest.mark.parametrize("method", METHODS)
def test_fewer_items_than_k_are_padded_and_k_zero_is_empty(isa: str, method: str) -> None:
    scores, ids = fuse(IDS, SCORES, 6, method)
    assert ids[4:].tolist() == [-1, -1]
    assert scores[4:].tolist() == [-np.inf, -np.inf]
    assert fuse(IDS, SCORES, 0, method)[1].shape == (0,)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", METHODS)
def test_empty_lists_and_lists_of_padding_give_padding(isa: str, method: str, norm: str) -> None:
    ids = [np.empty((2, 0), np.int64), np.full((2, 3), -1), np.array([[1, 2, 3], [4, 5, 6]])]
    scores = [np.empty((2, 0)), np.zeros((2, 3)), np.full((2, 3), -np.inf)]
    found_scores, found_ids = fuse(ids, scores, 2, method, norm=norm)
    assert found_ids.tolist() == [[-1, -1]] * 2
    assert found_scores.tolist() == [[-np.inf, -np.inf]] * 2
    assert fuse([np.empty((0, 4), np.int64)], [np.empty((0, 4))], 2, method)[0].shape == (0, 2)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    method=st.sampled_from(METHODS),
    norm=st.sampled_from(NORMS),
)
def test_a_batch_gives_each_query_what_it_gets_alone(isa: str, data: st.DataObject, method: str, norm: str) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 9999)))
    num_queries, lengths = 5, [7, 0, 30]
    ids = [np.stack([random.permutation(40)[:n] for _ in range(num_queries)]) for n in lengths]
    scores = [random.integers(-3, 9, (num_queries, n)).astype(np.float64) / 7 for n in lengths]
    for ids_QK in ids:
        ids_QK[random.random(ids_QK.shape) < 0.2] = -1
    options: dict[str, Any] = {"weights": [0.3, 1, 0.7], "norm": norm, "num_threads": data.draw(st.integers(1, 3))}
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


def ranked_lists(data: st.DataObject, draw_float32: Draw) -> dict[str, Any]:
    """Lists with ids in common, equal scores, gaps, and scores of both types."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    num_queries = data.draw(st.integers(0, 4))
    pool = np.arange(1, 1 + data.draw(st.sampled_from([4, 30, 300]))) * data.draw(st.sampled_from(SPACINGS))
    pool[-1] = LARGEST_ID
    ids, scores = [], []
    for _ in range(data.draw(st.integers(1, 4))):
        length = data.draw(st.integers(0, 8) | st.just(len(pool)))
        rows = [random.permutation(pool)[:length] for _ in range(num_queries)]
        ids.append(np.array(rows, np.int64).reshape(num_queries, min(length, len(pool))))
        scores.append(draw_float32(data, ids[-1].shape).astype(data.draw(st.sampled_from([np.float32, np.float64]))))
        ids[-1][random.random(ids[-1].shape) < data.draw(st.sampled_from([0, 0.2]))] = -1
        scores[-1][random.random(ids[-1].shape) < data.draw(st.sampled_from([0, 0.2]))] = -np.inf
    weights = [data.draw(st.sampled_from([0, 1, 2]) | st.floats(0, 4, width=32)) for _ in ids]
    return {"lists_of_ids": ids, "lists_of_scores": scores, "weights": weights, "k": data.draw(st.integers(0, 400))}


def answer(arguments: dict[str, Any], isa: str, **options: Any) -> list[bytes] | str:
    """The bits of the answer, or what is wrong."""
    with dispatch.using(isa):
        try:
            return [part.tobytes() for part in fuse(**arguments, **options)]
        except ValueError as error:
            return str(error)


@settings(deadline=None, max_examples=100)
@given(data=st.data(), method=st.sampled_from(METHODS), norm=st.sampled_from(NORMS))
def test_every_backend_fuses_like_the_reference(
    isa: str, data: st.DataObject, method: str, norm: str, draw_float32: Draw
) -> None:
    arguments = ranked_lists(data, draw_float32) | {"method": method, "norm": norm}
    expected = answer(arguments, "reference")
    assert isinstance(expected, list)
    assert [answer(arguments, isa, num_threads=count) for count in (None, 1, 2, 3)] == [expected] * 4


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_every_backend_names_the_first_bad_entry(isa: str, data: st.DataObject, draw_float32: Draw) -> None:
    arguments = ranked_lists(data, draw_float32)
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    faults = data.draw(st.lists(st.sampled_from([-2, LARGEST_ID]), max_size=3))
    bad_scores = data.draw(st.lists(st.sampled_from([np.nan, np.inf, -3.5e38]), max_size=3))
    for lists, values in ((arguments["lists_of_ids"], faults), (arguments["lists_of_scores"], bad_scores)):
        for value in values:
            array = lists[random.integers(len(lists))]
            if array.size and not (array.dtype == np.float32 and value == -3.5e38):
                array.flat[random.integers(array.size)] = value
    expected = answer(arguments, "reference")
    assert [answer(arguments, isa, num_threads=count) for count in (1, 2, 3)] == [expected] * 3


def test_the_first_of_many_bad_entries_is_named_by_its_own_list(isa: str) -> None:
    ids = [np.arange(4) for _ in range(3)]
    many = [np.stack([row] * 50) for row in ids]
    many[1][40, 3] = -7
    many[2][30, 2] = many[2][30, 1]
    many[2][31, 0] = -9
    for count in (1, 2, 3):
        with pytest.raises(ValueError, match=r"lists_of_ids\[2\] must be distinct .* 1 more than once.*\(30, 2\)"):
            fuse(many, [np.zeros((50, 4))] * 3, 2, weights=[1, 0, 1], num_threads=count)
    many[2][30:32] = many[2][0]
    with pytest.raises(ValueError, match=r"lists_of_ids\[1\] must be within -1 .* got -7 at position \(40, 3\)"):
        fuse(many, [np.zeros((50, 4))] * 3, 2, weights=[1, 0, 1])
    many[1][40, 3] = many[1][40, 2]  # not looked for in a list that is left out
    assert fuse(many, [np.zeros((50, 4))] * 3, 2, weights=[1, 0, 1])[1][40].tolist() == [0, 1]


def test_the_first_bad_query_is_named_though_another_thread_meets_one_sooner(isa: str) -> None:
    ids = np.stack([np.arange(200_000)] * 3)
    ids[0, -1] = ids[1, 0] = ids[2, 0] = -2  # the first query takes long to get there
    for _ in range(3):
        with pytest.raises(ValueError, match=r"got -2 at position \(0, 199999\)"):
            fuse([ids], [np.zeros(ids.shape, np.float32)], 1, num_threads=3)


def test_a_call_that_failed_leaves_nothing_to_the_next(isa: str) -> None:
    before = fuse(IDS, SCORES, 6)
    with pytest.raises(ValueError, match="distinct"):
        fuse([IDS[0], np.array([9, 9])], SCORES, 6)
    assert [part.tobytes() for part in fuse(IDS, SCORES, 6)] == [part.tobytes() for part in before]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lists_may_lie_in_memory_as_they_like(isa: str, dtype: type) -> None:
    random = np.random.default_rng(2)
    ids_QK = np.stack([random.permutation(40)[:12] for _ in range(6)])
    scores_QK: NDArray[Any] = random.random((6, 12)).astype(dtype)
    expected = [part.tobytes() for part in fuse([ids_QK], [scores_QK], 12, "weighted")]

    def forms(array: NDArray[Any]) -> list[NDArray[Any]]:
        wide = np.zeros((6, 2, 24), array.dtype)
        wide[:, 1, ::2] = array
        unaligned = np.frombuffer(b"x" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)
        beside = np.stack([array, array], axis=1)[:, 1]
        backwards = np.ascontiguousarray(array[::-1])[::-1]
        assert not unaligned.flags.aligned
        assert beside.strides[0] == 2 * backwards.strides[0] * -1
        return [wide[:, 1, ::2], np.asfortranarray(array), unaligned, beside, backwards]

    for ids, scores in zip(forms(ids_QK), forms(scores_QK), strict=True):
        ids.flags.writeable = False
        assert [part.tobytes() for part in fuse([ids], [scores], 12, "weighted")] == expected
    assert [part.tobytes() for part in fuse([ids_QK.astype(np.int32)], [scores_QK], 12, "weighted")] == expected


def test_equal_scores_come_by_ascending_id_however_many(isa: str) -> None:
    ids = np.random.default_rng(3).permutation(5000).astype(np.int64) * 3
    for k in (1, 100, 5000):
        found = fuse([ids], [np.ones(5000, np.float32)], k, "max")[1]
        assert found.tolist() == list(range(0, 3 * k, 3))


def test_a_zero_has_no_sign(isa: str) -> None:
    for method in ("max", "weighted"):
        scores, _ = fuse([np.array([1]), np.array([1])], [np.array([-0.0]), np.array([-0.0])], 1, method, norm="none")
        assert not np.signbit(scores[0])


def test_more_entries_than_can_be_numbered_are_refused() -> None:
    ids, scores = np.broadcast_to(np.int64(-1), (1, 2**30)), np.broadcast_to(np.float32(0), (1, 2**30))
    with pytest.raises(ValueError, match=r"at most 2\*\*31 - 1 entries per query, got 2147483648"):
        fuse([ids, ids], [scores, scores], 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "mean"}, "method must be one of rrf, weighted, max, round_robin, borda, got 'mean'"),
        ({"norm": "l2"}, "norm must be one of minmax, zscore, none, got 'l2'"),
        ({"num_threads": 0}, "num_threads must be an integer from 1 .* got 0"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"weights": [1]}, r"weights must have one entry per list \(2\), got 1"),
        ({"weights": [1, -0.5]}, r"weights\[1\] must be within 0 to 3.40282e\+38, got -0.5"),
        ({"weights": [1, float("nan")]}, r"weights\[1\] must be within 0 to .* got nan"),
        ({"weights": [1, 1e300]}, r"weights\[1\] must be within 0 to 3.40282e\+38, got 1e\+300"),
        ({"lists_of_ids": [], "lists_of_scores": []}, "got 0 and 0"),
        ({"lists_of_ids": IDS[:1]}, "lists_of_scores must have one entry per list of ids"),
        (
            {"lists_of_ids": [IDS[0], np.array([7, 7])]},
            r"lists_of_ids\[1\] must be distinct .*, got 7 more than once, .*\(1,\)",
        ),
        ({"lists_of_ids": [IDS[0], np.array([7, -2])]}, r"lists_of_ids\[1\] must be within -1 .* got -2"),
        ({"lists_of_ids": [IDS[0], np.array([7.0, 8])]}, r"lists_of_ids\[1\] must be int64, got float64"),
        ({"lists_of_ids": [IDS[0], np.array([7])]}, r"lists_of_scores\[1\] must be float32 or float64 of shape \(1,\)"),
        (
            {"lists_of_scores": [SCORES[0], np.array([1, np.nan])]},
            r"lists_of_scores\[1\] must be finite, got nan .*\(1,\)",
        ),
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
def test_a_bad_argument_is_named(isa: str, change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"lists_of_ids": IDS, "lists_of_scores": SCORES, "k": 3} | change
    with pytest.raises(ValueError, match=message):
        fuse(**arguments)


def test_round_robin_takes_turns_beyond_what_float32_counts() -> None:
    num_items, num_lists = 17_500, 1_000
    ids = [np.arange(num_items) + 10**6, np.arange(num_items), *[np.empty(0, np.int64)] * (num_lists - 2)]
    scores = [np.ones(one.size) for one in ids]
    expected = np.stack(ids[:2], axis=1).ravel()
    for isa in dispatch.available_backends():
        with dispatch.using(isa):
            assert (fuse(ids, scores, 2 * num_items, "round_robin")[1] == expected).all(), isa
