"""Changes of an index leave what a dictionary would hold, in memory and in files; calls that fail change nothing."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import VectorIndex, dispatch
from shortlist_kernels.arrays import METRICS, Float32, Int64
from tests.kernels.search_cases import (
    COMPILED,
    KINDS,
    assert_same,
    queries_for,
    true_best,
    true_scores,
    vectors_of,
)


class Model:
    """A dictionary of vectors that goes through the same changes as an index."""

    def __init__(self, dim: int, metric: str) -> None:
        self.dim, self.metric = dim, metric
        self.held: dict[int, Float32] = {}

    def change(self, index: VectorIndex, change: str, ids_n: Int64, vectors_nD: Float32) -> None:
        """Changes both; `ids_n` are fit for the change."""
        if change == "remove":
            index.remove(ids_n)
            for item in ids_n.tolist():
                del self.held[item]
        else:
            getattr(index, change)(ids_n, vectors_nD)
            self.held |= dict(zip(ids_n.tolist(), vectors_nD, strict=True))

    def fit(self, change: str, ids_n: Int64) -> Int64:
        """Those of `ids_n` that an add would find new, and other changes known."""
        return ids_n[np.array([(item in self.held) == (change != "add") for item in ids_n.tolist()], np.bool_)]

    def check(self, index: VectorIndex, queries_QD: Float32, k: int) -> None:
        """Size, ids, vectors, searches on every instruction set, and how mask and bias align with `index.ids`."""
        ids_N = index.ids
        assert len(index) == ids_N.size == len(self.held)
        assert set(ids_N.tolist()) == self.held.keys()
        vectors_ND = np.array([self.held[item] for item in ids_N.tolist()], np.float32).reshape(-1, self.dim)
        assert_same((index.vectors(ids_N),), (vectors_ND,))
        mask_N, bias_N = ids_N % 3 != 0, (ids_N % 7).astype(np.float32)
        scores_QN = true_scores(self.metric, queries_QD, vectors_ND)
        allowed_QN = np.tile(mask_N, (len(queries_QD), 1))
        for isa in COMPILED:
            with dispatch.using(isa):
                assert_same(index.search(queries_QD, k), true_best(scores_QN, ids_N, k), isa)
                found = index.search(queries_QD, k, mask=mask_N, bias=bias_N, num_threads=2)
                assert_same(found, true_best(scores_QN + bias_N, ids_N, k, allowed_QN), isa, "mask and bias")


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "update", "remove"]),
        st.sampled_from(list(KINDS)),
        st.sampled_from([1, 1, 2, 17, 256, 700]),
    ),
    min_size=1,
    max_size=9,
)


@settings(deadline=None, max_examples=300)
@given(metric=st.sampled_from(METRICS), dim=st.integers(1, 40), seed=st.integers(0, 2**32), changes=CHANGES)
def test_any_sequence_of_changes_is_searched_exactly(
    metric: str, dim: int, seed: int, changes: list[tuple[str, str, int]]
) -> None:
    """Items of all magnitudes come, change and go, so bounds and codes of what is near them have to follow."""
    random, index, model = np.random.default_rng(seed), VectorIndex(dim, metric), Model(dim, metric)
    for change, kind, count in changes:
        ids_n = model.fit(change, random.choice(900, count, replace=False))
        model.change(index, change, ids_n, vectors_of(kind, random, ids_n.size, dim))
        held = np.array(list(model.held.values()), np.float32).reshape(-1, dim)
        model.check(index, queries_for(kind, random, held, 3), k=int(random.choice([1, 10, 100, 1000])))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("way", ["added", "updated", "moved", "moved after loading"])
def test_bounds_follow_an_item_to_where_it_goes(tmp_path: Path, metric: str, way: str) -> None:
    """Codes show the others as they are; the best item, coded as if it scored nothing, comes among them."""
    signs_D = np.where(np.arange(258) % 2, -1.0, 1.0)
    best_D, other_D = 0.4995 * signs_D, np.zeros(258)
    best_D[:2], other_D[2:4] = (63, -63), (32, -32)
    best, others = np.array([best_D], np.float32), np.tile(other_D.astype(np.float32), (700, 1))
    query_1D = np.array([np.where(np.arange(258) < 2, 0, 252 * signs_D)], np.float32)
    index = VectorIndex(258, metric)
    index.add(np.arange(700), others)
    if way == "updated":
        index.update([5], best)
    else:
        index.add([900], best)
    if way == "moved after loading":
        index.save(tmp_path / "items")
        index = VectorIndex.load(tmp_path / "items")
    if way.startswith("moved"):
        index.remove([5])
    for isa in COMPILED:
        with dispatch.using(isa):
            assert index.search(query_1D, 1)[1].tolist() == [[5 if way == "updated" else 900]]


@pytest.mark.parametrize("metric", METRICS)
def test_one_item_at_a_time_may_come_change_and_go(metric: str) -> None:
    random, index, model = np.random.default_rng(3), VectorIndex(7, metric), Model(7, metric)
    for turn in range(1500):
        change = str(random.choice(["add", "update", "remove"], p=[0.5, 0.3, 0.2]))
        ids_n = model.fit(change, random.integers(700, size=1))
        model.change(index, change, ids_n, vectors_of("magnitudes of all sorts", random, ids_n.size, 7))
        if turn % 50 == 0:
            model.check(index, random.standard_normal((2, 7), np.float32), k=40)
    model.change(index, "remove", index.ids, np.empty((0, 7), np.float32))
    model.check(index, random.standard_normal((2, 7), np.float32), k=3)
    model.change(index, "add", np.arange(40), random.standard_normal((40, 7), np.float32))
    model.check(index, random.standard_normal((2, 7), np.float32), k=3)


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_an_index_goes_through_files_between_rounds_of_changes(tmp_path: Path, metric: str) -> None:
    random, index, model = np.random.default_rng(5), VectorIndex(9, metric), Model(9, metric)
    kinds = ["normal", "huge", "denormals", "half steps", "mostly zero rows", "normal"]
    for turn, kind in enumerate(kinds):
        for change, count in (("add", 400), ("update", 90), ("remove", 150), ("add", 1), ("remove", 1)):
            ids_n = model.fit(change, random.choice(1500, count, replace=False))
            model.change(index, change, ids_n, vectors_of(kind, random, ids_n.size, 9))
        order = index.ids.tolist()
        index.save(tmp_path / str(turn))
        index = VectorIndex.load(tmp_path / str(turn))
        assert index.ids.tolist() == order
        model.check(index, queries_for(kind, random, index.vectors(index.ids), 4), k=50)


@pytest.mark.parametrize("metric", METRICS)
def test_changes_of_a_loaded_index_touch_neither_its_file_nor_its_twin(tmp_path: Path, metric: str) -> None:
    random, path = np.random.default_rng(6), tmp_path / "items"
    index, model, twin_model = VectorIndex(5, metric), Model(5, metric), Model(5, metric)
    model.change(index, "add", random.permutation(1000), vectors_of("normal", random, 1000, 5))
    twin_model.held = dict(model.held)
    index.save(path)
    content, queries_QD = path.read_bytes(), random.standard_normal((3, 5), np.float32)
    loaded, twin = VectorIndex.load(path), VectorIndex.load(path)
    for change, ids_n in (
        ("add", np.arange(2000, 2300)),
        ("update", np.arange(0, 1000, 3)),
        ("remove", np.arange(0, 1000, 5)),
        ("update", np.array([2000])),
        ("remove", np.array([2000])),
        ("add", np.array([0])),
    ):
        model.change(loaded, change, ids_n, vectors_of("huge", random, ids_n.size, 5))
        model.check(loaded, queries_QD, k=30)
        twin_model.check(twin, queries_QD, k=30)
        assert path.read_bytes() == content
    loaded.save(path)  # over the file that both have mapped
    twin_model.check(twin, queries_QD, k=30)
    model.check(loaded, queries_QD, k=30)
    model.check(VectorIndex.load(path), queries_QD, k=30)


# --- memory --------------------------------------------------------------------------------------------------------

REPLACE_ALL = """
import gc, os, sys
import numpy as np
from shortlist_kernels import VectorIndex

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

how, num_items, dim, pieces = sys.argv[1], 90_000, 128, 5
vectors = np.random.default_rng(0).standard_normal((num_items // pieces, dim), np.float32)
index = VectorIndex(dim, "cosine")
empty = resident()
for ids in np.split(np.arange(num_items), pieces):
    index.add(ids, vectors)
index.search(vectors[:1], 10)
built = resident() - empty
for turn in range(10):
    for ids in np.split(np.random.default_rng(turn).permutation(num_items), pieces):
        if how == "update":
            index.update(ids, vectors)
        else:
            index.remove(ids)
            index.add(ids, vectors)
    index.search(vectors[:1], 10)
print(built, resident() - empty, len(index))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize("how", ["update", "remove and add"])
def test_replacing_every_vector_ten_times_takes_no_more_memory(how: str) -> None:
    command = [sys.executable, "-c", REPLACE_ALL, how]
    # AddressSanitizer would hold on to freed memory.
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    finished = subprocess.run(
        command, env=environment | {"ASAN_OPTIONS": options}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    built, replaced, num_items = map(int, finished.stdout.split())
    assert num_items == 90_000
    assert built > num_items * 128 * 4
    assert replaced <= 1.3 * built


# --- calls that fail, and what callers do with their arrays --------------------------------------------------------

NEW, HELD = np.arange(5000, 5600), np.arange(600)
FINE = np.ones((600, 6), np.float32)


def with_last(array: NDArray[Any], value: object) -> NDArray[Any]:
    changed = array.copy()
    changed[-1] = value
    return changed


BAD_CALLS: dict[str, Callable[[VectorIndex], object]] = {
    "add: the last id twice": lambda index: index.add(with_last(NEW, NEW[0]), FINE),
    "add: the last id is held": lambda index: index.add(with_last(NEW, 599), FINE),
    "add: the last id is negative": lambda index: index.add(with_last(NEW, -1), FINE),
    "add: NaN in the last row": lambda index: index.add(NEW, with_last(FINE, np.nan)),
    "add: infinity in the last row": lambda index: index.add(NEW, with_last(FINE, -np.inf)),
    "add: float64": lambda index: index.add(NEW, FINE.astype(np.float64)),
    "add: float16": lambda index: index.add(NEW, FINE.astype(np.float16)),
    "add: other byte order of floats": lambda index: index.add(NEW, FINE.astype(np.dtype(np.float32).newbyteorder())),
    "add: a row too few": lambda index: index.add(NEW, FINE[1:]),
    "add: a column too few": lambda index: index.add(NEW, FINE[:, 1:]),
    "add: flat": lambda index: index.add(NEW, FINE.ravel()),
    "add: fractional ids": lambda index: index.add(NEW + 0.5, FINE),
    "add: ids of two axes": lambda index: index.add(NEW[:, np.newaxis], FINE),
    "update: the last id is unknown": lambda index: index.update(with_last(HELD, 5000), FINE),
    "update: the last id twice": lambda index: index.update(with_last(HELD, 0), FINE),
    "update: NaN in the last row": lambda index: index.update(HELD, with_last(FINE, np.nan)),
    "update: float64": lambda index: index.update(HELD, FINE.astype(np.float64)),
    "update: a row too many": lambda index: index.update(HELD[1:], FINE),
    "remove: the last id is unknown": lambda index: index.remove(with_last(HELD, 5000)),
    "remove: the last id twice": lambda index: index.remove(with_last(HELD, 0)),
    "remove: fractional ids": lambda index: index.remove(HELD + 0.5),
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_call_that_fails_changes_nothing(metric: str, name: str) -> None:
    random, index, model = np.random.default_rng(7), VectorIndex(6, metric), Model(6, metric)
    model.change(index, "add", random.permutation(700), vectors_of("normal", random, 700, 6))
    ids_N, statistics = index.ids, index.statistics()
    with pytest.raises(ValueError, match="must"):
        BAD_CALLS[name](index)
    assert index.ids.tolist() == ids_N.tolist()
    assert index.statistics() == statistics
    queries_QD = random.standard_normal((2, 6), np.float32)
    model.check(index, queries_QD, k=20)
    model.change(index, "add", NEW, FINE)  # it goes on working
    model.check(index, queries_QD, k=20)


VIEWS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "every other row": lambda array: np.repeat(array, 2, axis=0)[::2],
    "back to front": lambda array: array[::-1].copy()[::-1],
    "columns first": lambda array: np.asfortranarray(array),
    "part of a wider array": lambda array: np.stack([array, array + 1], axis=-1)[..., 0],
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
    "not aligned": lambda array: np.frombuffer(b"\0" + array.tobytes(), array.dtype, offset=1).reshape(array.shape),
    "one row for all": lambda array: np.broadcast_to(array[:1], array.shape),
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", VIEWS)
def test_arrays_of_any_layout_are_taken_for_what_they_show(metric: str, name: str) -> None:
    random, index, model = np.random.default_rng(8), VectorIndex(6, metric), Model(6, metric)
    shown = VIEWS[name](vectors_of("normal", random, 300, 6))
    ids_N = np.arange(300) if name == "one row for all" else VIEWS[name](random.permutation(300))
    model.change(index, "add", ids_N, shown)
    model.check(index, VIEWS[name](random.standard_normal((4, 6), np.float32)), k=20)
    model.change(index, "update", ids_N[::3], shown[1::3])
    model.change(index, "remove", ids_N[1::4], shown[:0])
    model.check(index, random.standard_normal((2, 6), np.float32), k=300)


def test_an_index_shares_no_memory_with_its_callers() -> None:
    random, index, model = np.random.default_rng(9), VectorIndex(6), Model(6, "inner_product")
    ids_N, vectors_ND = np.arange(400), vectors_of("normal", random, 400, 6)
    model.change(index, "add", ids_N.copy(), vectors_ND.copy())
    added = VectorIndex(6)
    added.add(ids_N, vectors_ND)
    queries_QD = random.standard_normal((2, 6), np.float32)
    before = added.search(queries_QD, 400)
    added.ids[:], added.vectors(ids_N)[:] = 7, 0
    seen_ids, seen_vectors = added.ids, added.vectors(ids_N)
    kept = seen_vectors.copy()
    ids_N[:], vectors_ND[:] = -5, np.nan
    model.check(added, queries_QD, k=50)
    added.update([1, 2], np.zeros((2, 6), np.float32))
    assert_same((seen_vectors,), (kept,))  # what was handed out does not change either
    added.update([1, 2], kept[1:3])
    seen_ids[:], seen_vectors[:] = 7, 0
    first = before[0].copy(), before[1].copy()
    added.search(-queries_QD, 400)
    assert_same(before, first)
    model.check(added, queries_QD, k=50)


def test_changes_of_no_items_are_fine() -> None:
    index = VectorIndex(3)
    for _ in range(2):
        index.add([], np.empty((0, 3), np.float32))
        index.update([], np.empty((0, 3), np.float32))
        index.remove([])
        index.add([len(index)], np.ones((1, 3), np.float32))
    assert index.ids.tolist() == [0, 1]
