"""Space: one index, compared by its metric or by cosine, exactly."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.package import PackageError
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_kernels import VectorIndex
from shortlist_kernels.index_file import ALIGNMENT, HEADER
from shortlist_server.catalog.spaces import ROWS_AT_ONCE, Space, open_space
from tests.server.conftest import space_entry, vector_index


def nearest(vectors_ND: np.ndarray, row: int, mask_N: np.ndarray, k: int) -> list[int]:
    """The rows by cosine in float64, ties by row."""
    exact = vectors_ND.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    unit = exact / np.where(lengths > 0, lengths, 1.0)[:, None]
    cosines = unit @ unit[row]
    rows = np.flatnonzero(mask_N)
    return [int(one) for one in rows[np.lexsort((rows, -cosines[rows]))][:k]]


@given(
    seed=st.integers(0, 10_000), k=st.integers(1, 12), kind=st.sampled_from(["plain", "alike", "ties", "zeros", "tiny"])
)
def test_the_nearest_by_cosine_are_exact_whatever_the_vectors(seed: int, k: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((40, 6)).astype(np.float32)
    if kind == "alike":  # differences that float32 cannot tell apart in one pass
        vectors = (vectors[:1] + 1e-6 * vectors).astype(np.float32)
    if kind == "ties":
        vectors = vectors[random.integers(0, 5, 40)]
    if kind == "tiny":  # whose squares are too small for float32, some of them too small to have all their digits
        vectors *= np.float32(10.0) ** -random.integers(0, 39, (40, 1)).astype(np.float32)
    if kind == "zeros":
        vectors[random.integers(0, 40, 10)] = 0.0
    mask = random.random(40) < 0.8
    mask[3] = False
    scores, rows = Space("s", vector_index(vectors), 1).nearest_by_cosine(3, mask, k)
    assert rows.tolist() == nearest(vectors, 3, mask, k)
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("dim", [3, 6, 64, 100])
def test_equal_vectors_have_equal_cosines_and_come_by_row(dim: int) -> None:
    random = np.random.default_rng(dim)
    different = random.standard_normal((7, dim)).astype(np.float32)
    kind = random.permutation(np.arange(1003) % 7)
    scores, rows = Space("s", vector_index(different[kind]), 1).nearest_by_cosine(0, np.arange(1003) > 0, 1002)
    for one in range(7):
        places = np.flatnonzero(kind[rows] == one)
        assert len(set(scores[places].tolist())) == 1
        assert (np.diff(rows[places]) > 0).all()


def test_nobody_allowed_means_nobody_found() -> None:
    space = Space("s", vector_index(np.eye(4, dtype=np.float32)), 1)
    scores, rows = space.nearest_by_cosine(0, np.zeros(4, np.bool_), 3)
    assert len(scores) == len(rows) == 0


def write(root: Path, index: VectorIndex) -> None:
    (root / "vectors").mkdir()
    index.save(root / "vectors/s.index")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (space_entry("s", 4), "is inner_product, 3 dimensions, the manifest says inner_product, 4"),
        (manifest.Space(name="s", metric=manifest.METRIC_COSINE, dimensions=3), "the manifest says cosine, 3"),
    ],
)
def test_a_space_that_is_not_what_the_manifest_says_is_refused(
    tmp_path: Path, entry: manifest.Space, fault: str
) -> None:
    write(tmp_path, vector_index(np.ones((5, 3), np.float32)))
    with pytest.raises(PackageError, match=fault):
        open_space(tmp_path, entry, 5, 1)


def test_ids_other_than_the_rows_are_refused(tmp_path: Path) -> None:
    index = VectorIndex(3, "inner_product")
    index.add(np.array([0, 2, 1]), np.ones((3, 3), np.float32))
    write(tmp_path, index)
    with pytest.raises(PackageError, match=r"vectors/s\.index: holds 3 vectors, not those of rows 0\.\.2"):
        open_space(tmp_path, space_entry("s", 3), 3, 1)


def test_a_vector_that_is_too_large_to_multiply_is_refused_with_its_row(tmp_path: Path) -> None:
    vectors = np.ones((5, 3), np.float32)
    vectors[3, 1] = 3e38
    write(tmp_path, vector_index(vectors))
    with pytest.raises(PackageError, match=r"vectors/s\.index: the vector of row 3 holds 3e\+38"):
        open_space(tmp_path, space_entry("s", 3), 5, 1)


def overwrite(root: Path, number: int, value: float) -> None:
    """Another number among the vectors, checksums included: what `VectorIndex.add` would never have taken."""
    file = root / "vectors/s.index"
    content = bytearray(file.read_bytes())
    struct.pack_into("<f", content, ALIGNMENT + 4 * number, value)
    fields = (*HEADER.unpack_from(content)[:-2], zlib.crc32(content[ALIGNMENT:]))
    unsigned = HEADER.pack(*fields, 0)[:-4]
    content[: HEADER.size] = unsigned + struct.pack("<I", zlib.crc32(unsigned))
    file.write_bytes(content)


@pytest.mark.parametrize("metric", ["inner_product", "cosine", "euclidean", "pearson"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3e38])
def test_a_vector_with_what_is_no_number_is_refused_whatever_the_metric(
    tmp_path: Path, metric: str, value: float
) -> None:
    write(tmp_path, vector_index(np.eye(5, 3, dtype=np.float32), metric))
    overwrite(tmp_path, 3 * 4 + 1, value)
    entry = manifest.Space(name="s", metric=f"METRIC_{metric.upper()}", dimensions=3)
    with pytest.raises(PackageError, match=re.escape(f"the vector of row 4 holds {value:g}, not within +-1e+15")):
        open_space(tmp_path, entry, 5, 1)


@pytest.mark.parametrize("row", [0, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 6])
def test_every_vector_of_a_large_space_is_looked_at(tmp_path: Path, row: int) -> None:
    num_items = 2 * ROWS_AT_ONCE + 7
    write(tmp_path, vector_index(np.ones((num_items, 2), np.float32)))
    assert len(open_space(tmp_path, space_entry("s", 2), num_items, 1)) == num_items
    overwrite(tmp_path, 2 * row + 1, np.nan)
    with pytest.raises(PackageError, match=f"the vector of row {row} holds nan"):
        open_space(tmp_path, space_entry("s", 2), num_items, 1)


def resident_of_files() -> int:
    """Bytes of mapped files that count as this process's."""
    found = re.search(r"RssFile:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux what is resident")
def test_vectors_become_resident_when_they_are_asked_for_not_when_they_are_checked(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((40_000, 128)).astype(np.float32)
    write(tmp_path, vector_index(vectors))
    before = resident_of_files()
    space = open_space(tmp_path, space_entry("s", 128), len(vectors), 1)
    opened = resident_of_files()
    assert opened - before < vectors.nbytes / 4
    assert space.vectors(np.arange(len(vectors))).tobytes() == vectors.tobytes()
    assert resident_of_files() - opened > vectors.nbytes / 2  # or the first half of this test could not fail


def test_a_damaged_file_is_named_once(tmp_path: Path) -> None:
    write(tmp_path, vector_index(np.ones((5, 3), np.float32)))
    file = tmp_path / "vectors/s.index"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(PackageError, match=r"^vectors/s\.index: the checksum") as refused:
        open_space(tmp_path, space_entry("s", 3), 5, 1)
    assert str(refused.value).count("s.index") == 1
