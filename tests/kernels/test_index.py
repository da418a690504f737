import contextlib
import gc
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist_kernels import VectorIndex, store
from shortlist_kernels.arrays import METRICS
from shortlist_kernels.store import Chunk

VECTORS = np.array([[1, 0], [0, 1], [1, 1]], np.float32)


def filled(metric: str = "inner_product") -> VectorIndex:
    index = VectorIndex(2, metric)
    index.add([10, 30, 20], VECTORS)
    return index


@pytest.fixture
def interrupting_alarm() -> Iterator[None]:
    """SIGALRM raises KeyboardInterrupt. The collector rests: what its callbacks raise is swallowed and reported."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()


def test_an_empty_index_answers_with_padding() -> None:
    scores, ids = VectorIndex(3).search(np.ones((2, 3), np.float32), 2, mask=np.ones(0, np.bool_), allow=[1])
    assert scores.tolist() == [[-np.inf, -np.inf]] * 2
    assert ids.tolist() == [[-1, -1]] * 2


def test_the_last_item_takes_the_place_of_a_removed_one() -> None:
    index = filled()
    index.add([5], np.array([[2, 2]], np.float32))
    assert (len(index), index.ids.tolist()) == (4, [10, 30, 20, 5])
    index.remove([30])
    assert (len(index), index.ids.tolist()) == (3, [10, 5, 20])
    assert index.vectors([5, 10]).tolist() == [[2, 2], [1, 0]]
    mask = np.array([False, False, True])
    assert index.search(np.ones((1, 2), np.float32), 1, mask=mask)[1].tolist() == [[20]]


@pytest.mark.parametrize("dim", [1, 3, 300])
def test_vectors_come_in_the_order_asked_for_from_any_chunk(dim: int) -> None:
    per_chunk = 1 << store.chunk_shift(dim)
    num_items = 2 * per_chunk + 77
    random = np.random.default_rng(7)
    vectors = random.standard_normal((num_items, dim), np.float32)
    ids = random.permutation(num_items) + 5
    index = VectorIndex(dim)
    index.add(ids, vectors)
    rows = np.concatenate([random.integers(0, num_items, 300), [0, per_chunk - 1, per_chunk, num_items - 1, 0, 0]])
    assert index.vectors(ids[rows]).tobytes() == vectors[rows].tobytes()
    assert index.vectors(np.empty(0, np.int64)).shape == (0, dim)


@pytest.mark.parametrize("metric", METRICS)
def test_an_update_counts_at_once(metric: str) -> None:
    index = filled(metric)
    index.update([20, 10], np.array([[3, -1], [0, 2]], np.float32))
    other = VectorIndex(2, metric)
    other.add([10, 30, 20], np.array([[0, 2], [0, 1], [3, -1]], np.float32))
    query = np.array([[0.5, 0.25]], np.float32)
    assert [part.tolist() for part in index.search(query, 3)] == [part.tolist() for part in other.search(query, 3)]


@settings(deadline=None, max_examples=60)
@given(
    metric=st.sampled_from(METRICS),
    changes=st.lists(st.tuples(st.sampled_from(["add", "update", "remove"]), st.sets(st.integers(0, 30), max_size=8))),
)
def test_any_sequence_of_changes_leaves_what_a_dictionary_would_hold(
    metric: str, changes: list[tuple[str, set[int]]]
) -> None:
    index, held = VectorIndex(3, metric), dict[int, np.ndarray[Any, np.dtype[np.float32]]]()
    random = np.random.default_rng(len(changes))
    for change, wanted in changes:
        ids = [item for item in wanted if (item in held) != (change == "add")]
        vectors = random.standard_normal((len(ids), 3), np.float32)
        if change == "remove":
            index.remove(ids)
            held = {item: vector for item, vector in held.items() if item not in ids}
        else:
            getattr(index, change)(ids, vectors)
            held |= dict(zip(ids, vectors, strict=True))
    assert sorted(index.ids.tolist()) == sorted(held)
    fresh = VectorIndex(3, metric)
    fresh.add(list(held), np.array(list(held.values()), np.float32).reshape(-1, 3))
    queries = random.standard_normal((2, 3), np.float32)
    found, expected = index.search(queries, 40), fresh.search(queries, 40)
    assert found[0].tobytes() == expected[0].tobytes()
    assert found[1].tobytes() == expected[1].tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.add([1, 1], VECTORS[:2]), "ids must be distinct, got 1 more than once"),
        (lambda index: index.add([1, 30], VECTORS[:2]), "ids must be new to the index, got 30"),
        (lambda index: index.add([-1], VECTORS[:1]), "ids must be >= 0, got -1"),
        (lambda index: index.add([1.5], VECTORS[:1]), "ids must be int64, got float64"),
        (lambda index: index.add([[1]], VECTORS[:1]), "ids must have 1 axes"),
        (lambda index: index.add([1, 2], VECTORS), r"vectors must be float32 of shape \(2, 2\)"),
        (lambda index: index.add([1], [[0.5, 0.5]]), "vectors must be float32 .* got float64"),
        (lambda index: index.add([1], np.array([[0, np.inf]], np.float32)), "vectors must be finite, got inf"),
        (lambda index: index.update([10, 11], VECTORS[:2]), "ids must be in the index, got 11"),
        (lambda index: index.update([10], np.array([[0, np.nan]], np.float32)), "vectors must be finite, got nan"),
        (lambda index: index.update([10, 10], VECTORS[:2]), "ids must be distinct, got 10"),
        (lambda index: index.remove([30, 99]), "ids must be in the index, got 99"),
        (lambda index: index.vectors([99]), "ids must be in the index, got 99"),
    ],
)
def test_a_bad_change_is_named_and_leaves_the_index_as_it_was(
    change: Callable[[VectorIndex], object], message: str
) -> None:
    index = filled()
    with pytest.raises(ValueError, match=message):
        change(index)
    assert index.ids.tolist() == [10, 30, 20]
    assert index.vectors([10, 30, 20]).tolist() == VECTORS.tolist()


@pytest.mark.parametrize("dim", [0, -1, 1.5, "2", 65_537])
def test_a_bad_dim_is_named(dim: Any) -> None:
    with pytest.raises(ValueError, match="dim must be an integer"):
        VectorIndex(dim)


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(ValueError, match=r"metric must be one of inner_product, cosine, .*, got 'dot'"):
        VectorIndex(2, "dot")


def test_statistics_tell_the_size_and_what_searches_cost() -> None:
    random = np.random.default_rng(0)
    index = VectorIndex(64)
    index.add(np.arange(5000), random.standard_normal((5000, 64), np.float32))
    index.search(random.standard_normal((3, 64), np.float32), 10)
    statistics = index.statistics()
    assert (statistics["num_items"], statistics["dim"], statistics["metric"]) == (5000, 64, "inner_product")
    assert (statistics["num_queries"], statistics["num_exhaustive"]) == (3, 0)
    assert statistics["rescore_ratio"] >= 1
    assert statistics["num_bytes"] >= 5000 * 64 * 5


@pytest.mark.parametrize("metric", METRICS)
def test_memory_is_little_more_than_the_vectors_and_their_codes(metric: str) -> None:
    index = VectorIndex(64, metric)
    vectors = np.ones((50_000, 64), np.float32)
    for first in range(0, len(vectors), 10_000):
        index.add(np.arange(first, first + 10_000), vectors[first : first + 10_000])
    assert int(index.statistics()["num_bytes"]) <= 1.35 * vectors.nbytes


def test_an_index_that_runs_out_of_memory_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled()

    def fail(metric: str, dim: int, num_items: int) -> Chunk:
        raise MemoryError

    monkeypatch.setattr(Chunk, "empty", fail)
    with pytest.raises(MemoryError):
        index.add(np.arange(100, 400), np.ones((300, 2), np.float32))
    monkeypatch.undo()
    assert index.ids.tolist() == [10, 30, 20]
    assert index.search(np.ones((1, 2), np.float32), 1)[1].tolist() == [[20]]
    index.add(np.arange(100, 400), np.ones((300, 2), np.float32))
    assert len(index) == 303


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
@pytest.mark.usefixtures("interrupting_alarm")
def test_an_interrupted_change_is_done_or_not_begun(share: float) -> None:
    ids, vectors = np.arange(40_000), np.random.default_rng(0).standard_normal((40_000, 64), np.float32)
    index = VectorIndex(64)
    start = time.perf_counter()
    index.add(ids, vectors)
    index.remove(ids[:20_000])
    duration_s = time.perf_counter() - start
    index = VectorIndex(64)
    with contextlib.suppress(KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, share * duration_s)
        index.add(ids, vectors)
        index.remove(ids[:20_000])
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert len(index) in (0, 20_000, 40_000)
    assert np.unique(index.ids).size == len(index)
    index.remove(index.ids)
    index.add(ids, vectors)
    assert len(index) == 40_000


def interrupt_at(line: int) -> Callable[..., Any]:
    """A trace function that raises KeyboardInterrupt at the n-th line that the store runs."""
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != store.__file__:
            return None
        left -= event == "line"
        if left < 0:
            raise KeyboardInterrupt
        return trace

    return trace


def test_an_interruption_at_any_line_of_the_store_leaves_it_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LARGEST_CHUNK", 512)
    ids, vectors = np.arange(1_200), np.random.default_rng(0).standard_normal((1_200, 2), np.float32)
    before, line, interrupted = sys.gettrace(), 0, True
    while interrupted:
        index = VectorIndex(2)
        index.add(ids[:100], vectors[:100])
        try:
            sys.settrace(interrupt_at(line))
            index.add(ids[100:600], vectors[100:600])  # the first chunk grows, a second comes
            index.add(ids[600:], vectors[600:])
            index.remove(ids[100:])
            interrupted = False
        except KeyboardInterrupt:
            line += 1
        finally:
            sys.settrace(before)
        assert len(index) in (100, 600, 1_200)
        missing_n = np.setdiff1d(ids, index.ids)
        index.add(missing_n, vectors[missing_n])
        np.testing.assert_array_equal(index.vectors(ids), vectors)
    assert line > 50


@pytest.mark.usefixtures("interrupting_alarm")
def test_an_interruption_at_any_moment_leaves_the_index_free() -> None:
    index, random = VectorIndex(4), np.random.default_rng(0)
    vectors = np.ones((2, 4), np.float32)
    num_interrupted = 0
    for delay_s in random.uniform(1e-6, 3e-4, 3000):
        try:
            signal.setitimer(signal.ITIMER_REAL, delay_s)
            deadline = time.perf_counter() + 0.05  # where a destructor swallows it
            while time.perf_counter() < deadline:
                index.add([1, 2], vectors)
                index.search(vectors, 1)
                index.remove([1, 2])
        except KeyboardInterrupt:
            num_interrupted += 1
        index.remove(index.ids)
    assert num_interrupted > 2000
    assert len(index) == 0
