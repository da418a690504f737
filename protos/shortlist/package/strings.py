"""Columns of text as two arrays, offsets and bytes, mapped like any other: no object per item until one is shown."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise, starmap
from operator import lt
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from shortlist.package.arrays import check_offsets, next_numbers, numbers_of, open_array
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
        if row < 0:
            raise IndexError(row)  # NOT_FOUND, say, which would be an empty text otherwise
        return bytes(self._content[self._offsets[row] : self._offsets[row + 1]])


class KeyColumn(TextColumn):
    """Texts that are sorted and distinct, so that each has one row. Finding it takes 8 bytes a text of memory.

    hashes: uint32 (n,), the CRC-32 of each text.
    """

    def __init__(self, offsets: NDArray[np.int64], content: NDArray[np.uint8], hashes: NDArray[np.uint32]) -> None:
        super().__init__(offsets, content)
        # Hash and row in one number: sorting those takes a quarter of an argsort.
        both = np.sort(hashes.astype(np.uint64) << np.uint64(32) | np.arange(len(hashes), dtype=np.uint64))
        self._hashes = (both >> np.uint64(32)).astype(np.uint32).data
        self._rows = both.astype(np.uint32).data
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
    """The two arrays of a column: offsets int64 (n + 1) and bytes uint8. ValueError for half a surrogate pair."""
    lengths, content, source = [np.zeros(1, np.int64)], bytearray(), iter(texts)
    while some := list(islice(source, _ROWS_AT_ONCE)):
        joined = "".join(some)
        content += joined.encode()
        # An object for each text only where characters have more than one byte.
        sized = some if joined.isascii() else map(str.encode, some)
        lengths.append(np.fromiter(map(len, sized), np.int64, len(some)))
    return np.cumsum(np.concatenate(lengths)), np.frombuffer(content, np.uint8)


def open_text(root: Path, column: str, num_rows: int | None, *, max_bytes: int) -> TextColumn:
    """The texts of a column, mapped. PackageError unless each is UTF-8 without control characters, within max_bytes."""
    offsets, content = _open_arrays(root, column, num_rows)
    for _ in _checked_rows(root, column, offsets, content, range(max_bytes + 1)):
        pass
    return TextColumn(offsets, content)


def open_keys(root: Path, column: str, num_rows: int | None, *, max_bytes: int) -> KeyColumn:
    """As open_text; PackageError also for an empty text, and unless they are sorted bytewise, each once."""
    offsets, content = _open_arrays(root, column, num_rows)
    hashes = np.empty(len(offsets) - 1, np.uint32)
    before = b""
    for rows in _checked_rows(root, column, offsets, content, range(1, max_bytes + 1)):
        texts = rows.texts()
        _check_ascending(text_files(column)[1], rows.start, before, texts)
        before = texts[-1]
        hashes[rows.start : rows.start + len(texts)] = np.fromiter(map(crc32, texts), np.uint32, len(texts))
    return KeyColumn(offsets, content, hashes)


def _open_arrays(root: Path, column: str, num_rows: int | None) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    offsets_file, content_file = text_files(column)
    offsets = open_array(root, offsets_file, np.int64, (None if num_rows is None else num_rows + 1,))
    content = open_array(root, content_file, np.uint8, (None,))
    check_offsets(root, offsets_file, offsets, len(content))
    return offsets, content


class _Rows(NamedTuple):
    """Some rows of a column in memory: those from `start` on, their offsets from 0, and their bytes."""

    start: int
    offsets: NDArray[np.int64]
    content: NDArray[np.uint8]

    def texts(self) -> list[bytes]:
        joined = self.content.tobytes()
        return [joined[begin:end] for begin, end in pairwise(self.offsets.tolist())]

    def row_of(self, byte: int) -> int:
        """The row in whose text this byte lies."""
        return self.start + int(np.searchsorted(self.offsets, byte, "right")) - 1


def _checked_rows(
    root: Path, column: str, offsets: NDArray[np.int64], content: NDArray[np.uint8], lengths: range
) -> Iterator[_Rows]:
    """All rows, some at a time, read from the files: what the mapping is not touched for never counts as resident."""
    offsets_file, content_file = text_files(column)
    with (
        numbers_of(root, offsets_file, offsets) as offsets_stream,
        numbers_of(root, content_file, content) as content_stream,
    ):
        last = next_numbers(offsets_stream, offsets_file, offsets, 1)
        for start in range(0, len(offsets) - 1, _ROWS_AT_ONCE):
            count = min(_ROWS_AT_ONCE, len(offsets) - 1 - start)
            some = np.concatenate([last, next_numbers(offsets_stream, offsets_file, offsets, count)])
            last = some[-1:]
            _check_lengths(offsets_file, start, np.diff(some), lengths)
            read = next_numbers(content_stream, content_file, content, int(some[-1] - some[0]))
            rows = _Rows(start, some - some[0], read)
            _check_characters(content_file, rows)
            yield rows


def _check_lengths(file: str, start: int, lengths: NDArray[np.int64], allowed: range) -> None:
    wrong = (lengths < allowed.start) | (lengths >= allowed.stop)
    if wrong.any():
        row = int(wrong.argmax())
        raise PackageError(file, f"row {start + row} has {lengths[row]} bytes, not {allowed.start}..{allowed.stop - 1}")


def _check_characters(file: str, rows: _Rows) -> None:
    """Of some rows together: a text is UTF-8 if all of them joined are and none starts inside a character."""
    codes = rows.content
    try:
        codes.tobytes().decode()
    except UnicodeDecodeError as error:
        raise PackageError(file, f"row {rows.row_of(error.start)} is not UTF-8") from None
    starts = rows.offsets[:-1][np.diff(rows.offsets) > 0]
    inside = codes[starts] & 0xC0 == 0x80
    if inside.any():
        raise PackageError(file, f"row {rows.row_of(int(starts[inside.argmax()]))} starts inside a character")
    # C0 and DEL are bytes of their own; C1 is C2 80..9F.
    control = (codes < 0x20) | (codes == 0x7F)
    control[:-1] |= (codes[:-1] == 0xC2) & (codes[1:] < 0xA0)
    if control.any():
        raise PackageError(file, f"row {rows.row_of(int(control.argmax()))} holds a control character")


def _check_ascending(file: str, start: int, before: bytes, texts: list[bytes]) -> None:
    ascending = list(starmap(lt, pairwise([before, *texts])))
    if not all(ascending):
        row = ascending.index(False)
        text, earlier = texts[row], texts[row - 1] if row else before
        fault = "appears twice" if text == earlier else f"comes after {earlier.decode()!r}"
        raise PackageError(file, f"row {start + row}: {text.decode()!r} {fault}; they are sorted bytewise, each once")


def clean(text: str) -> str:
    """The text with a space for every control character and half surrogate pair: what a package may hold."""
    return text if text.isprintable() else "".join(" " if _is_refused(char) else char for char in text)


def cut(text: str, max_bytes: int) -> str:
    """A clean text, shortened to at most max_bytes of UTF-8 without breaking a character."""
    encoded = text.encode()
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore")


def _is_refused(char: str) -> bool:
    return char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff"
