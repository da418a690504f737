import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.package import PackageError
from shortlist.package.layout import text_files
from shortlist.package.strings import (
    NOT_FOUND,
    KeyColumn,
    TextColumn,
    clean,
    cut,
    open_keys,
    open_text,
    text_column,
)

PIECE = 65_536  # rows that are checked together
COLUMN = "items/ids"
OFFSETS, BYTES = text_files(COLUMN)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
EACH_EXAMPLE = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write_bytes(root: Path, texts: Sequence[bytes]) -> Path:
    """A column of any bytes."""
    (root / OFFSETS).parent.mkdir(exist_ok=True)
    np.save(root / OFFSETS, np.cumsum([0, *map(len, texts)], dtype=np.int64))
    np.save(root / BYTES, np.frombuffer(b"".join(texts), np.uint8))
    return root


def write(root: Path, texts: Sequence[str]) -> Path:
    """A column as the writer makes it."""
    offsets, content = text_column(texts)
    (root / OFFSETS).parent.mkdir(exist_ok=True)
    np.save(root / OFFSETS, offsets)
    np.save(root / BYTES, content)
    return root


def texts_of(root: Path, max_bytes: int = 128) -> TextColumn:
    return open_text(root, COLUMN, None, max_bytes=max_bytes)


def keys_of(root: Path, max_bytes: int = 128) -> KeyColumn:
    return open_keys(root, COLUMN, None, max_bytes=max_bytes)


def refusal(root: Path, *, keys: bool = False, max_bytes: int = 128) -> str:
    with pytest.raises(PackageError) as caught:
        (keys_of if keys else texts_of)(root, max_bytes)
    return str(caught.value)


def bytewise(texts: Sequence[str]) -> list[str]:
    return sorted(texts, key=str.encode)


@EACH_EXAMPLE
@given(texts=st.lists(TEXTS, max_size=20))
def test_texts_come_back_as_they_were(tmp_path: Path, texts: list[str]) -> None:
    column = texts_of(write(tmp_path, texts))
    assert [column[row] for row in range(len(column))] == texts
    assert column.take(range(len(texts))) == texts
    assert column.num_bytes == len("".join(texts).encode())
    assert open_text(tmp_path, COLUMN, len(texts), max_bytes=128).take(reversed(range(len(texts)))) == texts[::-1]


@EACH_EXAMPLE
@given(texts=st.sets(TEXTS.filter(bool), max_size=20), asked=st.lists(TEXTS | st.text(max_size=4), max_size=20))
def test_rows_finds_exactly_what_is_there(tmp_path: Path, texts: set[str], asked: list[str]) -> None:
    in_order = bytewise(list(texts))
    column = keys_of(write(tmp_path, in_order))
    row_of = {text: row for row, text in enumerate(in_order)}
    wanted = [*in_order, *asked, *in_order]
    found = column.rows(wanted)
    assert found.dtype == np.int32
    assert found.tolist() == [row_of.get(text, NOT_FOUND) for text in wanted]


def test_many_texts_come_back_over_several_pieces(tmp_path: Path) -> None:
    texts = bytewise([f"{number}" if number % 3 else f"é{number}" for number in range(2 * PIECE + 5)])
    column = keys_of(write(tmp_path, texts))
    rows = np.random.default_rng(0).permutation(len(texts))
    assert column.take(rows.tolist()) == [texts[row] for row in rows]
    assert (column.rows([texts[row] for row in rows]) == rows).all()


def test_a_column_without_rows_and_one_of_empty_texts_are_columns(tmp_path: Path) -> None:
    column = keys_of(write(tmp_path, []))
    assert (len(column), column.num_bytes, column.rows(["a", ""]).tolist()) == (0, 0, [-1, -1])
    assert texts_of(write(tmp_path, ["", "", ""])).take([0, 1, 2]) == ["", "", ""]


def test_equal_hashes_are_told_apart(tmp_path: Path) -> None:
    assert crc32(b"plumless") == crc32(b"buckeroo")
    column = keys_of(write(tmp_path, ["buckeroo", "other", "plumless"]))
    assert column.rows(["plumless", "buckeroo", "other"]).tolist() == [2, 0, 1]
    for held, absent in [("plumless", "buckeroo"), ("buckeroo", "plumless")]:
        column = keys_of(write(tmp_path, [held]))
        assert column.rows([absent, held, absent]).tolist() == [-1, 0, -1]


def test_unknown_texts_and_half_surrogate_pairs_are_not_found(tmp_path: Path) -> None:
    column = keys_of(write(tmp_path, ["a", "b"]))
    assert column.rows(["", "c", "A", "a ", "\ud800", "\udc80a", "x" * 10_000, "b"]).tolist() == [-1] * 7 + [1]


def test_no_row_is_taken_for_the_row_of_nothing(tmp_path: Path) -> None:
    column = keys_of(write(tmp_path, ["a", "b"]))
    for row in (NOT_FOUND, -2, 2):
        with pytest.raises(IndexError):
            column[row]
    with pytest.raises(IndexError):
        column.take([0, NOT_FOUND])


def test_several_threads_may_ask_at_once(tmp_path: Path) -> None:
    texts = [f"{number:05d}" for number in range(40_000)]  # more than are remembered
    column = keys_of(write(tmp_path, texts))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda start: column.rows(texts[start:]).tolist(), (0, 10_000, 20_000, 30_000)))
    assert found == [list(range(start, 40_000)) for start in (0, 10_000, 20_000, 30_000)]


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [b"\xff", b"\xc3", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"a\xc3("],
    ids=["no lead byte", "cut", "no lead", "two spellings", "surrogate", "beyond Unicode", "cut in three", "broken"],
)
def test_bytes_that_are_no_utf8_are_named_by_their_row(tmp_path: Path, wrong: bytes) -> None:
    root = write_bytes(tmp_path, [b"fine", b"", wrong, b"fine"])
    assert refusal(root) in {f"{BYTES}: row 2 is not UTF-8", f"{BYTES}: row 3 is not UTF-8"}
    assert refusal(write_bytes(tmp_path, [b"fine", wrong])) == f"{BYTES}: row 1 is not UTF-8"


@pytest.mark.parametrize("empty", [0, 2])
def test_a_text_that_starts_inside_a_character_is_named(tmp_path: Path, empty: int) -> None:
    root = write_bytes(tmp_path, [b"a", "é".encode()[:1], *[b""] * empty, "é".encode()[1:], b"b"])
    assert refusal(root) == f"{BYTES}: row {2 + empty} starts inside a character"


def test_a_character_over_two_pieces_is_refused(tmp_path: Path) -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    root = write_bytes(tmp_path, [b"a"] * (PIECE - 1) + [first, second])
    assert refusal(root) == f"{BYTES}: row {PIECE - 1} is not UTF-8"


@pytest.mark.parametrize("char", ["\0", "\t", "\n", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f"])
@pytest.mark.parametrize("around", ["{}", "a{}", "{}b", "é{}é"])
def test_control_characters_are_named_by_their_row(tmp_path: Path, char: str, around: str) -> None:
    root = write(tmp_path, ["fine", "", around.format(char), "fine"])
    assert refusal(root) == f"{BYTES}: row 2 holds a control character"


def test_what_only_resembles_a_control_character_is_fine(tmp_path: Path) -> None:
    texts = ["\xa0", "Â", "\u0100", "\u2028", "한", "😀", "\u202e", "~", "\u0400"]
    assert texts_of(write(tmp_path, texts)).take(range(len(texts))) == texts


def test_too_long_a_text_is_named_with_its_size(tmp_path: Path) -> None:
    root = write(tmp_path, ["é" * 64, "é" * 64 + "a"])
    assert refusal(root) == f"{OFFSETS}: row 1 has 129 bytes, not 0..128"
    assert refusal(root, keys=True) == f"{OFFSETS}: row 1 has 129 bytes, not 1..128"
    assert len(texts_of(root, max_bytes=129)) == 2


def test_an_empty_key_is_refused(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, ["", "a"]), keys=True) == f"{OFFSETS}: row 0 has 0 bytes, not 1..128"


@pytest.mark.parametrize("row", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_key_that_is_there_twice_is_named_wherever_pieces_end(tmp_path: Path, row: int) -> None:
    keys = [f"{number:06d}" for number in range(2 * PIECE + 1)]
    keys[row] = keys[row - 1]
    line = f"{BYTES}: row {row}: '{row - 1:06d}' appears twice; they are sorted bytewise, each once"
    assert refusal(write(tmp_path, keys), keys=True) == line


@pytest.mark.parametrize("row", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_key_that_is_out_of_order_is_named_wherever_pieces_end(tmp_path: Path, row: int) -> None:
    keys = [f"{number:06d}" for number in range(2 * PIECE + 1)]
    keys[row - 1], keys[row] = keys[row], keys[row - 1]
    line = f"{BYTES}: row {row}: '{row - 1:06d}' comes after '{row:06d}'; they are sorted bytewise, each once"
    assert refusal(write(tmp_path, keys), keys=True) == line


def test_the_order_is_that_of_bytes_and_not_of_utf16(tmp_path: Path) -> None:
    assert keys_of(write(tmp_path, ["\uffff", "\U00010000"])).rows(["\U00010000"]).tolist() == [1]
    assert "row 1" in refusal(write(tmp_path, ["\U00010000", "\uffff"]), keys=True)


@pytest.mark.parametrize(
    ("offsets", "content", "message"),
    [
        ([], b"", f"{OFFSETS}: has no entries"),
        ([0, 2], b"abc", f"{OFFSETS}: goes from 0 to 2, not from 0 to 3"),
        ([1, 3], b"abc", f"{OFFSETS}: goes from 1 to 3, not from 0 to 3"),
        ([0, 3, 1, 3], b"abc", f"{OFFSETS}: entry [2]: 1 is less than the one before"),
        ([0, 2**63 - 1, -(2**63), 3], b"abc", f"{OFFSETS}: entry [2]: -9223372036854775808 is less than"),
        ([0, 9, 3], b"abc", f"{OFFSETS}: entry [2]: 3 is less than the one before"),
    ],
)
def test_offsets_that_lead_astray_are_refused(tmp_path: Path, offsets: list[int], content: bytes, message: str) -> None:
    write(tmp_path, [])
    np.save(tmp_path / OFFSETS, np.array(offsets, np.int64))
    np.save(tmp_path / BYTES, np.frombuffer(content, np.uint8))
    assert message in refusal(tmp_path)
    assert message in refusal(tmp_path, keys=True)


def test_another_number_of_rows_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"is int64 \[3\], wanted int64 \[4\]"):
        open_keys(write(tmp_path, ["a", "b"]), COLUMN, 3, max_bytes=128)


@pytest.mark.parametrize("texts", [["\ud800"], ["a", "\udcff b"], ["fine"] * PIECE + ["\udc00"], ["\ud83d", "\ude00"]])
def test_half_a_surrogate_pair_is_never_written(texts: list[str]) -> None:
    with pytest.raises(UnicodeEncodeError):
        text_column(texts)


# --- what writers do before ----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(text=st.text(max_size=20), max_bytes=st.integers(0, 40))
def test_any_text_fits_a_package_when_it_was_cleaned_and_cut(text: str, max_bytes: int) -> None:
    fitting = cut(clean(text), max_bytes)
    assert len(fitting.encode()) <= max_bytes
    assert clean(text).startswith(fitting)
    assert not any(char < " " or "\x7f" <= char <= "\x9f" for char in fitting)


def test_cleaning_leaves_everything_else_and_cutting_no_half_character() -> None:
    assert clean("Lantern\x1b[2J\tred\x9b\ud800é\xa0😀") == "Lantern [2J red  é\xa0😀"
    assert [cut("aé😀", size) for size in range(8)] == ["", "a", "a", "aé", "aé", "aé", "aé", "aé😀"]


# --- memory --------------------------------------------------------------------------------------------------------

OPEN_AND_TELL_GROWTH = """
import re
import sys
from pathlib import Path
from shortlist.package.strings import open_keys, open_text

def private():
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * sum(map(int, re.findall(r"^Private_(?:Clean|Dirty): +([0-9]+) kB", rollup, re.MULTILINE)))

root, max_bytes = Path(sys.argv[1]), int(sys.argv[2])
before = private()
column = open_text(root, "items/ids", None, max_bytes=max_bytes)
texts = private()
keys = open_keys(root, "items/ids", None, max_bytes=max_bytes)
assert keys.rows([column[700_000]]).tolist() == [700_000]
print(texts - before, private() - texts)
"""


def test_a_million_texts_take_no_objects_and_a_million_keys_a_few_bytes_each(tmp_path: Path) -> None:
    write(tmp_path, [f"item {number:09d} of a name that is as long as titles are" for number in range(1_000_000)])
    command = [sys.executable, "-c", OPEN_AND_TELL_GROWTH, str(tmp_path), "128"]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    texts, keys = map(int, finished.stdout.split())
    assert (tmp_path / BYTES).stat().st_size > 50_000_000
    assert texts < 30_000_000  # what a piece took and the allocator keeps
    assert keys < 60_000_000
