"""Changes and searches from several threads: every search sees a state that was there.

Every value of a vector is its stamp, version * NUM_IDS + id, so that a search with `QUERIES` tells which version of
which items it saw, and whether a vector was whole: its first value, and the exact sum of all. SHORTLIST_UPDATE_CALLS
sets how many calls the first test makes: 1000000 takes minutes.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from shortlist_kernels import VectorIndex, dispatch
from shortlist_kernels.arrays import Float32, Int64
from tests.kernels.search_cases import COMPILED, Found, assert_same

NUM_CALLS = int(os.environ.get("SHORTLIST_UPDATE_CALLS", "50000"))
NUM_IDS = 1024
DIM = 32
QUERIES = np.array([[1] + [0] * (DIM - 1), [1] * DIM], np.float32)


def stamped(stamps_n: Int64) -> Float32:
    """float32 (n, DIM)."""
    return np.repeat(stamps_n.astype(np.float32), DIM).reshape(-1, DIM)


def stamps_seen(found: Found) -> Int64:
    """The stamps, largest first, that a search with `QUERIES` saw; each belongs to its id and is of a whole vector."""
    (first_K, sum_K), (ids_K, same_ids_K) = found
    count = int((ids_K >= 0).sum())
    stamps_n: Int64 = first_K[:count].astype(np.int64)
    assert (sum_K[:count] == DIM * first_K[:count]).all(), "half a vector"
    assert (ids_K == same_ids_K).all(), "two states in one search"
    assert (ids_K[:count] == stamps_n % NUM_IDS).all(), "the vector of another item"
    assert (first_K[count:] == -np.inf).all()
    assert (ids_K[count:] == -1).all()
    return stamps_n


class Writer:
    """Changes items that nobody else changes, so that it knows at any time what a search for them must find."""

    def __init__(self, index: VectorIndex, ids_n: Int64, seed: int, watched: Int64 | None = None) -> None:
        self.index, self.ids_n, self.random = index, ids_n, np.random.default_rng(seed)
        self.watched = np.empty(0, np.int64) if watched is None else watched
        self.stamps = np.zeros(NUM_IDS, np.int64)  # by id; 0 where the index has no such item
        self.versions = np.zeros(NUM_IDS, np.int64)

    def work(self, num_calls: int) -> None:
        """Calls at random: mostly about one item, some about a few, few about all."""
        for _ in range(num_calls):
            kind = self.random.random()
            if kind < 0.2:
                self.watch() if kind < 0.03 else self.search()
                continue
            count = 1 if kind < 0.85 else int(self.random.integers(2, 9)) if kind < 0.98 else self.ids_n.size
            ids_n = self.ids_n[self.random.integers(self.ids_n.size - count + 1) :][:count]
            self.change(ids_n)

    def change(self, ids_n: Int64) -> None:
        """Adds the items if the first is not there; else updates or removes those that are."""
        there = self.stamps[ids_n] > 0
        if not there[0]:
            ids_n = ids_n[~there]
            self.put(self.index.add, ids_n)
        elif self.random.random() < 0.7:
            self.put(self.index.update, ids_n[there])
        else:
            self.index.remove(ids_n[there])
            self.stamps[ids_n[there]] = 0

    def put(self, method: Callable[[Int64, Float32], None], ids_n: Int64) -> None:
        """Adds or updates with the next version of each."""
        self.versions[ids_n] += 1
        stamps_n = self.versions[ids_n] * NUM_IDS + ids_n
        assert (stamps_n < 2**24).all(), "float32 holds no larger stamps"
        method(ids_n, stamped(stamps_n))
        self.stamps[ids_n] = stamps_n

    def search(self) -> None:
        """What this writer did is what a search for its items finds, whatever others do meanwhile."""
        seen = stamps_seen(self.index.search(QUERIES, self.ids_n.size + 1, allow=self.ids_n))
        expected = np.sort(self.stamps[self.stamps > 0])[::-1]
        assert np.array_equal(seen, expected), (seen, expected)

    def watch(self) -> None:
        """Another thread changes the watched items, all in each call: they come, change and go together."""
        seen = stamps_seen(self.index.search(QUERIES, self.watched.size + 1, allow=self.watched))
        assert seen.size in (0, self.watched.size), "part of a change"
        assert np.unique(seen // NUM_IDS).size <= 1, "part of an update"


class BulkWriter(Writer):
    """Changes all its items in each call, and searches the whole index."""

    def work(self, num_calls: int) -> None:
        """What others do meanwhile must not lose or double or turn back an item."""
        newest = np.zeros(NUM_IDS, np.int64)
        for turn in range(num_calls):
            if turn % 8 == 0:
                self.change(self.ids_n)
                continue
            seen = stamps_seen(self.index.search(QUERIES, NUM_IDS, num_threads=1 + turn % 3))
            ids_n = seen % NUM_IDS
            assert np.unique(ids_n).size == ids_n.size, "an item twice"
            assert (seen >= newest[ids_n]).all(), "an older version than seen before"
            newest[ids_n] = seen
            assert np.array_equal(np.sort(seen[np.isin(ids_n, self.ids_n)]), self.stamps[self.stamps > 0])


@contextmanager
def quick_switches() -> Iterator[None]:
    """Lets threads take turns in the midst of a call."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def test_changes_and_searches_from_several_threads_agree_with_a_model() -> None:
    index = VectorIndex(DIM)
    parts = np.split(np.arange(NUM_IDS), [150, 300, 450, 750])
    writers = [Writer(index, part, seed, watched=parts[3]) for seed, part in enumerate(parts[:3])]
    writers.append(BulkWriter(index, parts[3], seed=3))
    index.add(parts[4], stamped(parts[4]))  # never touched, but moved about by what others remove
    rounds, shares = 20, (0.3, 0.3, 0.3, 0.1)
    with quick_switches(), ThreadPoolExecutor(len(writers)) as threads:
        for _ in range(rounds):
            calls = [int(NUM_CALLS * share / rounds) for share in shares]
            list(threads.map(lambda writer, count: writer.work(count), writers, calls))
            stamps = np.concatenate([parts[4], *(writer.stamps[writer.stamps > 0] for writer in writers)])
            assert np.array_equal(stamps_seen(index.search(QUERIES, NUM_IDS + 3)), np.sort(stamps)[::-1])
            ids_N = index.ids
            assert np.array_equal(np.sort(ids_N), np.sort(stamps % NUM_IDS))
            by_id = dict(zip((stamps % NUM_IDS).tolist(), stamps.tolist(), strict=True))
            assert_same((index.vectors(ids_N),), (stamped(np.array([by_id[item] for item in ids_N.tolist()])),))


@pytest.mark.parametrize("isa", COMPILED)
def test_a_search_in_flight_sees_one_state_of_many_items(isa: str) -> None:
    """So many items that a search takes far longer than the writers' next changes."""
    num_items, dim = 30_000, 16
    index = VectorIndex(dim)
    moved, steady = np.arange(num_items), np.arange(num_items, 2 * num_items)
    index.add(moved, np.ones((num_items, dim), np.float32))
    index.add(steady, np.full((num_items, dim), 0.5, np.float32))
    done = threading.Event()

    def write() -> None:
        try:
            for version in range(2, 14):
                index.update(moved, np.full((num_items, dim), version, np.float32))
                index.remove(moved[version::2])
                index.add(moved[version::2], np.full((moved[version::2].size, dim), version, np.float32))
        finally:
            done.set()

    with dispatch.using(isa), ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        latest = 0.0
        while not done.is_set():
            scores, ids = index.search(np.ones((1, dim), np.float32), 2 * num_items, num_threads=2)
            values = scores[0, ids[0] >= 0] / dim
            assert np.unique(ids[0, ids[0] >= 0]).size == values.size, "an item twice"
            assert np.count_nonzero(values == 0.5) == num_items, "an item that nobody changed was lost"
            versions = np.unique(values[values != 0.5])
            assert versions.size == 1, "half an update"
            assert versions[0] >= latest, "an older state after a newer one"
            latest = float(versions[0])
        writing.result()
    assert len(index) == 2 * num_items


def test_a_save_among_changes_holds_a_state_that_was_there(tmp_path: Path) -> None:
    index = VectorIndex(DIM)
    writer = BulkWriter(index, np.arange(600), seed=1)
    writer.put(index.add, writer.ids_n)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            writer.put(index.update, writer.ids_n)
            index.remove(writer.ids_n[100:])
            writer.put(index.add, writer.random.permutation(writer.ids_n[100:]))

    with quick_switches(), ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        try:
            for _ in range(25):
                index.save(tmp_path / "items")
                seen = stamps_seen(VectorIndex.load(tmp_path / "items").search(QUERIES, 600))
                kept = seen[seen % NUM_IDS < 100] // NUM_IDS
                others = seen[seen % NUM_IDS >= 100] // NUM_IDS
                assert kept.size == 100
                assert others.size in (0, 500)
                assert np.unique(kept).size == 1
                assert set(others) <= {2 * kept[0] - 2, 2 * kept[0] - 1}
                assert np.unique(others).size <= 1
        finally:
            done.set()
        writing.result()
