"""Reads events from `events.csv` or `events.csv.gz`, row by row, and sets wrong rows aside.

The first line names the columns: user_id, item_id, timestamp (seconds since the epoch, or an ISO 8601 time, UTC unless
it names an offset), and optionally type and value; others are ignored. One event a line: a quoted field holds no line
break, so that one broken quote costs one row.
"""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from shortlist.encode import EVENT_TYPES, MAX_EVENTS_PER_MESSAGE
from shortlist.options import Event

FILE_NAMES = ("events.csv", "events.csv.gz")
REQUIRED_COLUMNS = ("user_id", "item_id", "timestamp")
MAX_ID_BYTES = 128
MAX_TIMESTAMP = 253402300799
MAX_VALUE = 3.4028234663852886e38  # the largest float32
MAX_LINE_BYTES = 1 << 20


def find_events_file(directory: Path) -> Path:
    """The events file of a data directory. Raises ValueError when there is none, or more than one."""
    found = [directory / name for name in FILE_NAMES if (directory / name).is_file()]
    if not found:
        raise ValueError(f"{directory}: there is neither events.csv nor events.csv.gz")
    if len(found) > 1:
        raise ValueError(f"{directory}: there are both events.csv and events.csv.gz; keep one")
    return found[0]


class EventsFile:
    """Iterates over a file's events in batches of at most `batch_size`, once through the file per iteration.

    `num_events` and `num_rejected` count what was read so far. Wrong rows go to the CSV file `rejects_path` as (line,
    reason, text); without wrong rows there is no such file afterwards, an older one is removed. Iterating raises
    ValueError, naming the file, when the events cannot be read to their end (columns missing, damaged gzip) or the
    rejects cannot be written.
    """

    def __init__(
        self,
        path: Path,
        rejects_path: Path,
        *,
        batch_size: int = MAX_EVENTS_PER_MESSAGE,
        default_type: str = "purchase",
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size} is not at least 1")
        if default_type not in EVENT_TYPES:
            raise ValueError(f"default_type: {default_type!r} is not one of {', '.join(EVENT_TYPES)}")
        self.path = path
        self.rejects_path = rejects_path
        self.num_events = 0
        self.num_rejected = 0
        self._batch_size = batch_size
        self._default_type = default_type

    def __iter__(self) -> Iterator[list[Event]]:
        self.num_events = self.num_rejected = 0
        self._remove_rejects()
        rejects: IO[str] | None = None
        try:
            batch: list[Event] = []
            for line_number, line, parsed in self._rows():
                if isinstance(parsed, Event):
                    self.num_events += 1
                    batch.append(parsed)
                    if len(batch) == self._batch_size:
                        yield batch
                        batch = []
                else:
                    self.num_rejected += 1
                    rejects = rejects or self._open_rejects()
                    csv.writer(rejects).writerow([line_number, parsed, line])
            if batch:
                yield batch
        finally:
            if rejects is not None:
                rejects.close()

    def _remove_rejects(self) -> None:
        if self.path.exists() and self.rejects_path.exists() and self.rejects_path.samefile(self.path):
            raise ValueError(f"{self.rejects_path}: the rejects would replace the events")
        try:
            self.rejects_path.unlink(missing_ok=True)
        except OSError as error:
            raise ValueError(f"{self.rejects_path}: {error.strerror or error}") from error

    def _open_rejects(self) -> IO[str]:
        try:
            file = self.rejects_path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise ValueError(f"{self.rejects_path}: {error.strerror or error}") from error
        csv.writer(file).writerow(["line", "reason", "text"])
        return file

    def _rows(self) -> Iterator[tuple[int, str, Event | str]]:
        """Each row's line number, text, and its event or the reason why it is none."""
        columns: dict[str, int] | None = None
        num_columns = 0
        for line_number, raw in enumerate(self._lines(), start=1):
            if columns is None:
                columns, num_columns = self._header(raw)
            elif raw:
                line = raw.decode("utf-8", "backslashreplace")
                yield line_number, line, self._parse(raw, columns, num_columns)
        if columns is None:
            raise ValueError(f"{self.path}: it is empty, without the line that names the columns")

    def _lines(self) -> Iterator[bytes]:
        """The file's lines without their ends; only the start of one beyond MAX_LINE_BYTES."""
        try:
            with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as file:
                while raw := file.readline(MAX_LINE_BYTES):
                    rest = raw
                    while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
                        rest = file.readline(MAX_LINE_BYTES)
                    yield raw.rstrip(b"\r\n")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{self.path}: damaged gzip: {error}") from error
        except OSError as error:
            raise ValueError(f"{self.path}: {error.strerror or error}") from error

    def _header(self, raw: bytes) -> tuple[dict[str, int], int]:
        """The positions of the known columns, and the number of all."""
        try:
            header = _fields(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))
        except csv.Error as error:
            raise ValueError(f"{self.path}: the first line is not CSV: {error}") from error
        missing = [name for name in REQUIRED_COLUMNS if name not in header]
        if missing:
            raise ValueError(f"{self.path}: column {', '.join(missing)} is missing in the first line")
        known = (*REQUIRED_COLUMNS, "type", "value")
        return {name: header.index(name) for name in known if name in header}, len(header)

    def _parse(self, raw: bytes, columns: dict[str, int], num_columns: int) -> Event | str:
        try:
            fields = _fields(raw.decode("utf-8"))
            if len(fields) != num_columns:
                return f"{len(fields)} fields instead of {num_columns}"
            row = {name: fields[position] for name, position in columns.items()}
            return Event(
                user_id=_identifier("user_id", row["user_id"]),
                item_id=_identifier("item_id", row["item_id"]),
                type=_type(row.get("type") or self._default_type),
                timestamp=_timestamp(row["timestamp"]),
                value=_value(row.get("value") or "0"),
            )
        except UnicodeDecodeError:
            return "not UTF-8"
        except (ValueError, csv.Error) as error:
            return str(error)


def _fields(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",")
    return next(csv.reader([line], strict=True), [])


def _identifier(name: str, text: str) -> str:
    if not 1 <= len(text.encode()) <= MAX_ID_BYTES:
        raise ValueError(f"{name}: {len(text.encode())} bytes are not in 1..{MAX_ID_BYTES}")
    return text


def _timestamp(text: str) -> int:
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) <= len(str(MAX_TIMESTAMP)) else MAX_TIMESTAMP + 1
    else:
        number = _iso_seconds(text)
    if not 0 <= number <= MAX_TIMESTAMP:
        raise ValueError(f"timestamp: {_shown(text)} is neither seconds in 0..{MAX_TIMESTAMP} nor an ISO 8601 time")
    return number


def _iso_seconds(text: str) -> int:
    """Whole seconds since the epoch of an ISO 8601 time, UTC unless it names an offset; -1 when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return -1
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _type(text: str) -> str:
    if text not in EVENT_TYPES:
        raise ValueError(f"type: {_shown(text)} is not one of {', '.join(EVENT_TYPES)}")
    return text


def _value(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= MAX_VALUE:
        raise ValueError(f"value: {_shown(text)} is not a finite number")
    return number


def _shown(text: str) -> str:
    return repr(text if len(text) <= 50 else f"{text[:50]}...")
