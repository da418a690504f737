import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.package import PackageError
from shortlist.package.arrays import (
    MAX_COORDINATE,
    MAX_SCORE,
    NUMBERS_AT_ONCE,
    check_numbers,
    check_offsets,
    open_array,
    open_sparse,
    pieces,
)
from shortlist.package.layout import sparse_files

FILE = "array.npy"


def npy(header: str, data: bytes = b"") -> bytes:
    """A .npy file of version 1.0 with any header."""
    padded = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + data


def header(shape: str, dtype: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}}}"


def save(root: Path, array: NDArray[Any], path: str = FILE) -> NDArray[Any]:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    np.save(root / path, array)
    return open_array(root, path, array.dtype, array.shape)


def refusal(root: Path, content: bytes, dtype: Any = np.float32, shape: tuple[int | None, ...] = (None,)) -> str:
    (root / FILE).write_bytes(content)
    with pytest.raises(PackageError) as caught:
        open_array(root, FILE, dtype, shape)
    assert str(caught.value).startswith(f"{FILE}: ")
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("shape", [(7,), (3, 4), (0,), (0, 4), (4, 0), (1, 1)])
def test_an_array_comes_back_read_only(tmp_path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape)) % 2).reshape(shape).astype(dtype)
    np.save(tmp_path / FILE, array)
    for wanted in (shape, (None,) * len(shape)):
        opened = open_array(tmp_path, FILE, dtype, wanted)
        assert (opened.dtype, opened.shape) == (array.dtype, shape)
        assert (opened == array).all()
        assert not opened.flags.writeable


def test_an_array_is_mapped_from_its_file(tmp_path: Path) -> None:
    opened = save(tmp_path, np.zeros(4, np.uint8))
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(-1, io.SEEK_END)
        file.write(b"\x05")
    assert opened.tolist() == [0, 0, 0, 5]


def test_another_type_or_shape_is_told_beside_the_wanted_one(tmp_path: Path) -> None:
    save(tmp_path, np.zeros((2, 3), np.float64))
    cases: list[tuple[Any, tuple[int | None, ...], str]] = [
        (np.float32, (2, 3), "is float64 [2, 3], wanted float32 [2, 3]"),
        (np.float64, (3, 2), "is float64 [2, 3], wanted float64 [3, 2]"),
        (np.float64, (None,), "is float64 [2, 3], wanted float64 ['any']"),
        (np.float64, (None, 3, None), "wanted float64 ['any', 3, 'any']"),
        (np.dtype(">f8"), (2, 3), "is float64 [2, 3], wanted >f8 [2, 3]"),
    ]
    for dtype, shape, message in cases:
        with pytest.raises(PackageError) as caught:
            open_array(tmp_path, FILE, dtype, shape)
        assert message in str(caught.value)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([print], object), allow_pickle=True)
    assert "not a .npy array" in refusal(tmp_path, stream.getvalue())
    assert "not a .npy array" in refusal(tmp_path, stream.getvalue(), object)


def test_fortran_order_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(np.zeros((2, 3), np.float32)))
    assert "is in Fortran order, wanted C order" in refusal(tmp_path, stream.getvalue(), shape=(2, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a .npy array"),
        (b"PK\x03\x04", "not a .npy array"),
        (b"\x93NUMPY\x09\x00", "not a .npy array"),
        (npy(header("(2,)"))[:20], "not a .npy array"),
        (npy("{}"), "not a .npy array"),
        (npy("__import__('os').abort()"), "not a .npy array"),
        (npy("(" * 9000), "not a .npy array"),
        (npy(header("(2,)", "'<f4'", "1")), "not a .npy array"),
        (npy(header("2"), bytes(8)), "not a .npy array"),
        (npy(header("(-1,)"), bytes(8)), "not a .npy array"),
        (npy(header("(3,)"), bytes(8)), "not a .npy array"),
        (npy(header(f"({2**62}, 8)"), bytes(8)), "not a .npy array"),
        (npy(header(f"({10**40},)"), bytes(8)), "not a .npy array"),
        (npy(header("(1,)"), bytes(8)), "bytes, its header speaks of 4"),
        (npy(header("(0,)"), bytes(8)), "bytes, its header speaks of 0"),
        (npy(header("(2,)", "'>f4'"), bytes(8)), "is >f4 [2], wanted float32 ['any']"),
        (npy(header("(2,)", "[('a', '<f4')]"), bytes(8)), "[2], wanted float32 ['any']"),
        (npy(header("(2,)", "'|O'"), bytes(16)), "not a .npy array"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(tmp_path, content)


@pytest.mark.parametrize("cut", [1, 4, 100])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, cut: int) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(100, np.float32))
    assert "not a .npy array" in refusal(tmp_path, stream.getvalue()[:-cut])


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"^scores/a\.npy: missing$"):
        open_array(tmp_path, "scores/a.npy", np.float32, (None,))


def test_a_truth_value_beside_0_and_1_is_refused(tmp_path: Path) -> None:
    content = npy(header("(4,)", "'|b1'"), b"\x01\x00\x02\x01")
    assert refusal(tmp_path, content, np.bool_) == f"{FILE}: entry [2]: 2 is not 0 or 1"


@pytest.mark.parametrize("size", [0, 1, NUMBERS_AT_ONCE, NUMBERS_AT_ONCE + 3])
def test_pieces_together_are_the_array(tmp_path: Path, size: int) -> None:
    array = np.arange(size, dtype=np.int32)
    found = list(pieces(tmp_path, FILE, save(tmp_path, array)))
    assert all(0 < piece.size <= NUMBERS_AT_ONCE for piece in found)
    assert (np.concatenate([np.empty(0, np.int32), *found]) == array).all()


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    array = save(tmp_path, np.zeros(NUMBERS_AT_ONCE + 8, np.uint8))
    reading = pieces(tmp_path, FILE, array)
    assert next(reading).size == NUMBERS_AT_ONCE
    with (tmp_path / FILE).open("r+b") as file:
        file.truncate(NUMBERS_AT_ONCE)
    with pytest.raises(PackageError, match="became shorter while it was read"):
        next(reading)


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [
        (np.nan, MAX_SCORE, "nan is not within +-1e+30"),
        (np.inf, MAX_SCORE, "inf is not within +-1e+30"),
        (-np.inf, MAX_SCORE, "-inf is not within +-1e+30"),
        (3e38, MAX_SCORE, "3e+38 is not within +-1e+30"),
        (-3e38, MAX_SCORE, "-3e+38 is not within +-1e+30"),
        (2e15, MAX_COORDINATE, "is not within +-1e+15"),
    ],
)
def test_a_number_that_no_sum_can_take_is_named_with_its_place(
    tmp_path: Path, value: float, limit: float, shown: str
) -> None:
    for shape, flat, place in [((9,), 8, "[8]"), ((3, NUMBERS_AT_ONCE), 2 * NUMBERS_AT_ONCE + 5, "[2, 5]")]:
        numbers = np.full(shape, np.float32(limit / 2))
        numbers.flat[flat] = value
        array = save(tmp_path, numbers)
        with pytest.raises(PackageError) as caught:
            check_numbers(tmp_path, FILE, array, limit)
        assert str(caught.value).startswith(f"{FILE}: entry {place}: ")
        assert shown in str(caught.value)


def test_nan_is_allowed_where_it_says_unknown_and_infinity_is_not(tmp_path: Path) -> None:
    check_numbers(tmp_path, FILE, save(tmp_path, np.array([np.nan, 1.0])), MAX_SCORE, nan=True)
    array = save(tmp_path, np.array([np.nan, np.inf]))
    with pytest.raises(PackageError, match=r"entry \[1\]: inf"):
        check_numbers(tmp_path, FILE, array, MAX_SCORE, nan=True)


def offsets_refusal(root: Path, offsets: list[int] | NDArray[np.int64], end: int) -> str:
    array = save(root, np.array(offsets, np.int64))
    with pytest.raises(PackageError) as caught:
        check_offsets(root, FILE, array, end)
    return str(caught.value).removeprefix(f"{FILE}: ")


def test_offsets_rise_or_stay(tmp_path: Path) -> None:
    for offsets, end in [([0], 0), ([0, 0, 0], 0), ([0, 2, 2, 5], 5)]:
        check_offsets(tmp_path, FILE, save(tmp_path, np.array(offsets, np.int64)), end)


@pytest.mark.parametrize(
    ("offsets", "end", "message"),
    [
        ([], 0, "has no entries"),
        ([1, 2], 2, "goes from 1 to 2, not from 0 to 2"),
        ([0, 1], 2, "goes from 0 to 1, not from 0 to 2"),
        ([0, 3], 2, "goes from 0 to 3, not from 0 to 2"),
        ([-1, 2], 2, "goes from -1 to 2, not from 0 to 2"),
        ([0, 3, 2, 4], 4, "entry [2]: 2 is less than the one before"),
        ([0, -1, 4], 4, "entry [1]: -1 is less than the one before"),
        ([0, 2**62, -(2**62), -(2**63), 4], 4, "entry [2]: -4611686018427387904 is less than the one before"),
        ([0, 2**63 - 1, -(2**63), 4], 4, "entry [2]: -9223372036854775808 is less than the one before"),
    ],
)
def test_offsets_that_fall_or_wrap_round_are_refused(
    tmp_path: Path, offsets: list[int], end: int, message: str
) -> None:
    assert message in offsets_refusal(tmp_path, offsets, end)


def test_offsets_that_fall_between_two_pieces_are_refused(tmp_path: Path) -> None:
    offsets = np.full(NUMBERS_AT_ONCE + 2, 7, np.int64)
    offsets[0], offsets[NUMBERS_AT_ONCE] = 0, 6
    message = f"entry [{NUMBERS_AT_ONCE}]: 6 is less than the one before"
    assert offsets_refusal(tmp_path, offsets, 7) == message


def save_sparse(root: Path, indptr: Any, indices: Any, data: Any) -> None:
    types = (np.int64, np.int32, np.float32)
    for path, array, dtype in zip(sparse_files("m"), (indptr, indices, data), types, strict=True):
        save(root, np.array(array, dtype), path)


def test_compressed_rows_come_back(tmp_path: Path) -> None:
    save_sparse(tmp_path, [0, 2, 2, 3], [0, 3, 1], [0.5, -1, 2])
    for num_rows in (3, None):
        matrix = open_sparse(tmp_path, "m", num_rows, 4)
        assert [array.tolist() for array in matrix] == [[0, 2, 2, 3], [0, 3, 1], [0.5, -1, 2]]


def test_compressed_rows_without_data_have_none(tmp_path: Path) -> None:
    save_sparse(tmp_path, [0, 1], [0], [1])
    (tmp_path / "m" / "data.npy").unlink()
    assert open_sparse(tmp_path, "m", 1, 1, with_data=False).data.size == 0
    with pytest.raises(PackageError, match=r"m/data\.npy: missing"):
        open_sparse(tmp_path, "m", 1, 1)


def test_a_matrix_without_entries_or_rows_is_one(tmp_path: Path) -> None:
    save_sparse(tmp_path, [0, 0], [], [])
    assert open_sparse(tmp_path, "m", 1, 5).indices.size == 0
    save_sparse(tmp_path, [0], [], [])
    assert len(open_sparse(tmp_path, "m", None, 0).indptr) == 1


@pytest.mark.parametrize(
    ("indptr", "indices", "data", "message"),
    [
        ([0, 1], [0, 1], [1, 1], "m/indptr.npy: is int64 [2], wanted int64 [3]"),
        ([0, 1, 3], [0, 1], [1, 1], "m/indptr.npy: goes from 0 to 3, not from 0 to 2"),
        ([0, 3, 2], [0, 1], [1, 1], "m/indptr.npy: entry [2]: 2 is less than the one before"),
        ([0, 1, 2], [0, -1], [1, 1], "m/indices.npy: entry [1]: -1 is not in 0..3"),
        ([0, 1, 2], [4, 0], [1, 1], "m/indices.npy: entry [0]: 4 is not in 0..3"),
        ([0, 1, 2], [0, 2**31 - 1], [1, 1], "m/indices.npy: entry [1]: 2147483647 is not in 0..3"),
        ([0, 1, 2], [0, 1], [1], "m/data.npy: is float32 [1], wanted float32 [2]"),
        ([0, 1, 2], [0, 1], [1, np.nan], "m/data.npy: entry [1]: nan is not within +-1e+30"),
        ([0, 1, 2], [0, 1], [3e38, 1], "m/data.npy: entry [0]: 3e+38 is not within +-1e+30"),
    ],
)
def test_a_broken_matrix_is_named_by_file_and_entry(
    tmp_path: Path, indptr: list[int], indices: list[int], data: list[float], message: str
) -> None:
    save_sparse(tmp_path, indptr, indices, data)
    with pytest.raises(PackageError) as caught:
        open_sparse(tmp_path, "m", 2, 4)
    assert message in str(caught.value)
