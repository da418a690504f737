import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist_kernels import VectorIndex
from shortlist_kernels.arrays import METRICS


def saved(path: Path, metric: str = "cosine", num_items: int = 9) -> VectorIndex:
    index = VectorIndex(5, metric)
    random = np.random.default_rng(1)
    index.add(random.permutation(num_items), random.standard_normal((num_items, 5), np.float32))
    index.save(path)
    return index


@pytest.mark.parametrize("num_items", [0, 1, 9])
@pytest.mark.parametrize("metric", METRICS)
def test_a_loaded_index_answers_like_the_saved_one(tmp_path: Path, metric: str, num_items: int) -> None:
    index = saved(tmp_path / "items", metric, num_items)
    loaded = VectorIndex.load(tmp_path / "items")
    queries = np.random.default_rng(2).standard_normal((3, 5), np.float32)
    assert (loaded.dim, loaded.metric, loaded.ids.tolist()) == (5, metric, index.ids.tolist())
    found, expected = loaded.search(queries, 12), index.search(queries, 12)
    assert found[0].tobytes() == expected[0].tobytes()
    assert found[1].tobytes() == expected[1].tobytes()


def test_a_loaded_index_is_mapped_and_can_change_without_touching_the_file(tmp_path: Path) -> None:
    saved(tmp_path / "items")
    before = (tmp_path / "items").read_bytes()
    loaded = VectorIndex.load(tmp_path / "items")
    loaded.add([100], np.ones((1, 5), np.float32))
    loaded.update([0, 100], np.zeros((2, 5), np.float32))
    loaded.remove([1])
    assert loaded.vectors([0, 100]).tolist() == [[0] * 5] * 2
    assert (tmp_path / "items").read_bytes() == before


def test_saving_over_the_loaded_file_is_safe_and_leaves_nothing_else(tmp_path: Path) -> None:
    saved(tmp_path / "items")
    loaded = VectorIndex.load(tmp_path / "items")
    loaded.remove([3])
    loaded.save(tmp_path / "items")
    assert VectorIndex.load(tmp_path / "items").ids.tolist() == loaded.ids.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["items"]


def test_a_saved_file_may_be_read_by_whom_any_new_file_may(tmp_path: Path) -> None:
    saved(tmp_path / "items")
    (tmp_path / "plain").touch()
    assert (tmp_path / "items").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_nothing_of_removed_items_reaches_the_file(tmp_path: Path) -> None:
    index = VectorIndex(3)
    index.add([7, 8, 9], np.full((3, 3), 12345.678, np.float32))
    index.remove([7, 8, 9])
    index.add([1], np.zeros((1, 3), np.float32))
    index.save(tmp_path / "items")
    assert np.float32(12345.678).tobytes() not in (tmp_path / "items").read_bytes()


def test_a_file_of_several_chunks_is_loaded_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((70_000, 2), np.float32)
    index = VectorIndex(2, "euclidean")
    index.add(np.arange(70_000), vectors)
    index.save(tmp_path / "items")
    loaded = VectorIndex.load(tmp_path / "items")
    assert (loaded.vectors(np.arange(70_000)) == vectors).all()
    loaded.add([70_000], np.full((1, 2), 9, np.float32))
    assert loaded.search(np.full((1, 2), 9, np.float32), 1)[1].tolist() == [[70_000]]
    assert len(VectorIndex.load(tmp_path / "items")) == 70_000


LOAD_AND_TELL_GROWTH = """
import re
import sys
from pathlib import Path
from shortlist_kernels import VectorIndex

def resident():
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * int(re.search(r"^Rss: +([0-9]+) kB", rollup, re.MULTILINE)[1])

before = resident()
index = VectorIndex.load(sys.argv[1])
print(resident() - before)
"""


@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps books of its own")
def test_loading_leaves_what_nobody_asks_for_out_of_memory(tmp_path: Path) -> None:
    """Resident are the ids, which enter the table that finds them, and that table: 16 bytes an item of 330."""
    num_items = 200_000
    index = VectorIndex(64)
    index.add(np.arange(num_items), np.random.default_rng(4).standard_normal((num_items, 64), np.float32))
    index.save(tmp_path / "items")
    command = [sys.executable, "-c", LOAD_AND_TELL_GROWTH, str(tmp_path / "items")]
    grown = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert grown < (tmp_path / "items").stat().st_size / 8


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    with pytest.raises(IsADirectoryError):
        saved(tmp_path / "items")
    assert [path.name for path in tmp_path.iterdir()] == ["items"]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_any_changed_byte_is_noticed(tmp_path: Path, place: int, flip: int) -> None:
    saved(tmp_path / "items")
    content = bytearray((tmp_path / "items").read_bytes())
    content[place % len(content)] ^= flip
    (tmp_path / "items").write_bytes(content)
    with pytest.raises(ValueError, match="items: "):
        VectorIndex.load(tmp_path / "items")


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (0, 0, "is not a vector index file"),
        (0, 63, "is not a vector index file"),
        (0, 64, "must have .* bytes, got 64"),
        (0, -1, "must have .* bytes"),
        (8, None, "is not a vector index file"),
    ],
)
def test_a_part_of_a_file_is_refused(tmp_path: Path, start: int, end: int | None, message: str) -> None:
    saved(tmp_path / "items")
    (tmp_path / "items").write_bytes((tmp_path / "items").read_bytes()[start:end])
    with pytest.raises(ValueError, match=message):
        VectorIndex.load(tmp_path / "items")


def test_a_longer_file_and_another_version_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "items")
    content = (tmp_path / "items").read_bytes()
    (tmp_path / "items").write_bytes(content + b"\0")
    with pytest.raises(ValueError, match=r"must have .* bytes"):
        VectorIndex.load(tmp_path / "items")
    (tmp_path / "items").write_bytes(content[:8] + b"\3" + content[9:])
    with pytest.raises(ValueError, match="must be of version 2, got 3"):
        VectorIndex.load(tmp_path / "items")


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        VectorIndex.load(tmp_path / "items")
