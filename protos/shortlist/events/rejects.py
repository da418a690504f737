"""Rows that were refused: each with its file, line number, reason and content. Never dropped in silence."""

import contextlib
import csv
import io
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shortlist.events.formats import DataError

HEADER: Final = ("file", "line", "reason", "content")
# A rejects file is for reading: the beginning of a row shows which it is.
MAX_CONTENT: Final = 1000
# Beyond this much they wait in a temporary file: in a file of the wrong format every row is refused.
_MAX_MEMORY_BYTES: Final = 1 << 20
_NUM_LINES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Reject:
    """One refused row; `line` is where it stands in its file (1 = the header; row number + 1 for Parquet)."""

    file: str
    line: int
    reason: str
    content: str


class Rejects:
    """The refused rows of one reading, in file order, in memory that does not grow with their number."""

    def __init__(self) -> None:
        # The rows as CSV, as `write` gives them out.
        self._rows = tempfile.SpooledTemporaryFile(_MAX_MEMORY_BYTES, "w+", encoding="utf-8", newline="")  # noqa: SIM115
        self._counts: dict[tuple[str, str], int] = {}
        self._lines: dict[tuple[str, str], list[int]] = {}
        weakref.finalize(self, self._rows.close)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def add(self, file: str, refused: Mapping[int, tuple[str, str]]) -> None:
        """Note refused rows: line number -> reason and content. Numbers grow from call to call."""
        writer = csv.writer(self._rows)
        for line, (reason, content) in sorted(refused.items()):
            shown = content if len(content) <= MAX_CONTENT else f"{content[:MAX_CONTENT]}..."
            writer.writerow((file, line, reason, shown))
            self._counts[file, reason] = self._counts.get((file, reason), 0) + 1
            lines = self._lines.setdefault((file, reason), [])
            if len(lines) < _NUM_LINES_SHOWN:
                lines.append(line)

    @property
    def rows(self) -> list[Reject]:
        """All of them, read back."""
        self._rows.seek(0)
        rows = [Reject(file, int(line), reason, content) for file, line, reason, content in csv.reader(self._rows)]
        self._rows.seek(0, io.SEEK_END)
        return rows

    def by_reason(self) -> list[tuple[str, str, int, list[int]]]:
        """(file, reason, how many, the first five line numbers), the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: -item[1])
        return [(file, reason, count, self._lines[file, reason]) for (file, reason), count in ordered]

    def write(self, path: Path) -> None:
        """Write all of them as CSV: file, line, reason, content; DataError where that is not possible."""
        prepare(path)
        with _named_errors(path), path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow(HEADER)
            self._rows.seek(0)
            for chunk in iter(lambda: self._rows.read(_MAX_MEMORY_BYTES), ""):
                stream.write(chunk)


def prepare(path: Path) -> None:
    """Remove an older rejects file and make its folder, so that a wrong name is known before any work is done.

    Raises:
        DataError: rejects cannot be written there, or another file would be lost.
    """
    with _named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.stat().st_size and not _is_rejects_file(path):
            raise DataError(f"{path}: exists and is no file of rejected rows; it is not overwritten")
        path.open("w").close()
        if path.is_file():  # /dev/null stays
            path.unlink()


def _is_rejects_file(path: Path) -> bool:
    with contextlib.suppress(UnicodeDecodeError), path.open(encoding="utf-8") as stream:
        return stream.readline(MAX_CONTENT).rstrip("\n") == ",".join(HEADER)
    return False


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot write the rejected rows there ({error.strerror})") from error
