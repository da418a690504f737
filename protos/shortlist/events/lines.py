"""A text file, gzip or not, to its lines, in bounded memory whatever the file holds.

Lines end in LF or CRLF. A line that is no text, or longer than MAX_LINE_BYTES, is refused by itself: its neighbours are
read as if it were not there.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from shortlist.events.formats import DataError

MAX_LINE_BYTES: Final = 1 << 20
# The texts cut from a block stay in the caches of a core: blocks of 1 MiB took half as long again per row.
_BLOCK_BYTES: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive lines of a file, without their ends.

    Attributes:
        first: the number of the first one; 1 is the first line of the file.
        texts: the lines; a refused one with escapes where it is no text, and cut off where it is too long.
        refused: position in `texts` -> why the line is refused.
    """

    first: int
    texts: list[str]
    refused: dict[int, str]


def read_lines(path: Path, encoding: str) -> Iterator[Lines]:
    """Yield all lines of a file, at least one: an empty file is one empty line. Raises DataError."""
    first = 1
    for lines in _whole_lines(path):
        texts, refused = _as_texts(lines, encoding)
        if first == 1:
            texts[0] = texts[0].removeprefix("\ufeff")  # the mark that Excel puts in front of UTF-8
        yield Lines(first, texts, refused)
        first += len(lines)


def _whole_lines(path: Path) -> Iterator[list[bytes]]:
    rest = b""
    try:
        with _open(path) as file:
            while block := file.read(_BLOCK_BYTES):
                *lines, rest = (rest + block).split(b"\n")
                rest = rest[: MAX_LINE_BYTES + 1]  # enough to be refused: a file without line ends is never buffered
                if lines:
                    yield lines
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: corrupt gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    yield [rest]


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _as_texts(lines: list[bytes], encoding: str) -> tuple[list[str], dict[int, str]]:
    if max(map(len, lines)) <= MAX_LINE_BYTES:
        try:
            return [line.rstrip(b"\r").decode(encoding) for line in lines], {}
        except UnicodeDecodeError:
            pass
    texts: list[str] = []
    refused: dict[int, str] = {}
    for position, line in enumerate(lines):
        try:
            if len(line) > MAX_LINE_BYTES:
                refused[position] = f"longer than {MAX_LINE_BYTES} bytes"
            texts.append(line.rstrip(b"\r").decode(encoding))
        except UnicodeDecodeError:
            refused.setdefault(position, f"not {encoding.upper()}")
            texts.append(line.decode(encoding, "backslashreplace"))
    return texts, refused
