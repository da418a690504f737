"""Columns of text as two arrays, offsets and bytes, mapped like any other: no object per item until one is shown."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise, starmap
from operator import lt
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from shortlist.package.arrays import check_offsets, open_array
from shortlist.package.errors import PackageError
from shortlist.package.layout import text_files

NOT_FOUND: Final = -1
_REMEMBERED: Final = 1 << 15  # texts whose rows a process keeps at hand: 8 MB, and a search takes 10 times as long
_ROWS_AT_ONCE: Final = 1 << 16


class TextColumn:
    """n texts by row, read-only. Safe to use from several threads."""

    def __init__(self, offsets: NDArray[np.int64], content: NDArray[np.uint8]) -> None:
        self._offsets = offsets.data
        self._content = content.data

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> str:
        return str(self.bytes_at(row), "utf-8")

    @property
    def num_bytes(self) -> int:
        """The bytes of all texts together."""
        return len(self._content)

    def take(self, rows: Iterable[int]) -> list[str]:
        """The texts of these rows, in their order."""
        return [str(self.bytes_at(row), "utf-8") for row in rows]

    def bytes_at(self, row: int) -> bytes:
        """The UTF-8 of one text."""
        return bytes(self._content[self._offsets[row] : self._offsets[row + 1]])


class KeyColumn(TextColumn):
    """Texts that are sorted and distinct, so that each has one row. Finding it takes 8 bytes a text of memory."""

    def __init__(self, offsets: NDArray[np.int64], content: NDArray[np.uint8]) -> None:
        super().__init__(offsets, content)
        hashes = np.fromiter(map(crc32, map(self.bytes_at, range(len(self)))), np.uint32, len(self))
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        self._hashes = hashes[order].data
        self._rows = order.data
        self._remembered_row = lru_cache(maxsize=_REMEMBERED)(self._search)

    def rows(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """The row of each text, -1 where there is none."""
        return np.fromiter(map(self._remembered_row, texts), np.int32, len(texts))

    def _search(self, text: str) -> int:
        wanted = text.encode("utf-8", "surrogatepass")
        wanted_hash = crc32(wanted)
        place = bisect_left(self._hashes, wanted_hash)
        while place < len(self) and self._hashes[place] == wanted_hash:
            if self.bytes_at(self._rows[place]) == wanted:
                return int(self._rows[place])
            place += 1
        return NOT_FOUND


def text_column(texts: Iterable[str]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The two arrays of a column: offsets int64 (n + 1) and bytes uint8."""
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
    return offsets, np.frombuffer(b"".join(encoded), np.uint8)


def open_text(root: Path, column: str, num_rows: int | None, *, max_bytes: int) -> TextColumn:
    """The texts of a column, mapped. PackageError unless each is UTF-8, without control characters, within max_bytes."""
    return TextColumn(*_open(root, column, num_rows, max_bytes, is_key=False))


def open_keys(root: Path, column: str, num_rows: int | None, *, max_bytes: int) -> KeyColumn:
    """As open_text; PackageError also for an empty text, and unless they are sorted bytewise, each once."""
    return KeyColumn(*_open(root, column, num_rows, max_bytes, is_key=True))


def _open(
    root: Path, column: str, num_rows: int | None, max_bytes: int, *, is_key: bool
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    offsets_file, content_file = text_files(column)
    offsets = open_array(root, offsets_file, np.int64, (None if num_rows is None else num_rows + 1,))
    content = open_array(root, content_file, np.uint8, (None,))
    if not len(offsets):
        raise PackageError(offsets_file, "has no entries, not even the 0 of a column without rows")
    check_offsets(root, offsets_file, offsets, len(content))
    for start in range(0, len(offsets) - 1, _ROWS_AT_ONCE):
        first = max(0, start - 1)  # the order holds between pieces, too
        some = offsets[first : start + _ROWS_AT_ONCE + 1]
        _check_lengths(offsets_file, first, np.diff(some), max_bytes, is_key)
        _check_content(content_file, first, some, content, is_key)
    return offsets, content


def clean(text: str) -> str:
    """The text with every control character replaced by a space: what a package may hold and a terminal can show."""
    return text if text.isprintable() else "".join(" " if _is_control(char) else char for char in text)


def cut(text: str, max_bytes: int) -> str:
    """The text, shortened to at most max_bytes of UTF-8 without breaking a character."""
    encoded = text.encode()
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore")


def _is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char <= "\x9f"


def _check_lengths(file: str, start: int, lengths: NDArray[np.int64], max_bytes: int, is_key: bool) -> None:
    wrong = (lengths > max_bytes) | (lengths < int(is_key))
    if wrong.any():
        row = int(wrong.argmax())
        raise PackageError(file, f"row {start + row} has {lengths[row]} bytes, not {int(is_key)}..{max_bytes}")


def _check_content(file: str, start: int, offsets: NDArray[np.int64], content: NDArray[np.uint8], is_key: bool) -> None:
    """Of some rows together: a text is UTF-8 if all of them joined are and none starts inside a character."""
    first = int(offsets[0])
    joined = content[first : offsets[-1]].tobytes()
    try:
        joined.decode()
    except UnicodeDecodeError as error:
        row = start + int(np.searchsorted(offsets, first + error.start, "right")) - 1
        raise PackageError(file, f"row {row} is not UTF-8") from None
    starts = offsets[:-1][np.diff(offsets) > 0] - first
    codes = np.frombuffer(joined, np.uint8)
    if (codes[starts] & 0xC0 == 0x80).any():
        raise PackageError(file, f"a text of the rows from {start} starts inside a character")
    # C0 and DEL are bytes of their own; C1 is C2 80..9F.
    control = (codes < 0x20) | (codes == 0x7F)
    control[:-1] |= (codes[:-1] == 0xC2) & (codes[1:] < 0xA0)
    if control.any():
        row = start + int(np.searchsorted(offsets, first + int(control.argmax()), "right")) - 1
        raise PackageError(file, f"row {row} holds a control character")
    if is_key:
        _check_sorted(file, start, offsets - first, joined)


def _check_sorted(file: str, start: int, offsets: NDArray[np.int64], joined: bytes) -> None:
    texts = [joined[begin:end] for begin, end in pairwise(offsets.tolist())]
    ascending = list(starmap(lt, pairwise(texts)))
    if not all(ascending):
        row = ascending.index(False) + 1
        fault = "appears twice" if texts[row] == texts[row - 1] else f"comes after {texts[row - 1].decode()!r}"
        raise PackageError(file, f"row {start + row}: {texts[row].decode()!r} {fault}; items are sorted by id")
