"""The rows of a file as columns of text, with their line numbers, whatever the file is: text, gzip or Parquet.

One row a line: a quoted field may hold separators and doubled quotes, but no line break. So a stray quote costs its own
row and no other, and a refused row is named with the line on which it stands.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from pathlib import Path

from shortlist.events import parquet
from shortlist.events.formats import DataError, Layout
from shortlist.events.lines import Lines, read_lines

Refused = dict[int, tuple[str, str]]
"""Line number -> why the row is refused, and what stands there."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some consecutive rows of a file.

    Attributes:
        names: of the columns.
        columns: the texts of each column.
        lines: the line number of each row: 1 is the first line of a text file, 2 the first row of Parquet.
        contents: each row as it stands in its line; None where the file has no lines (Parquet).
        refused: the rows between them that could not be cut into columns.
    """

    names: tuple[str, ...]
    columns: Sequence[Sequence[str]]
    lines: Sequence[int]
    contents: Sequence[str] | None
    refused: Refused

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> Sequence[str] | None:
        """The texts of one column, None where the file has no such column."""
        return self.columns[self.names.index(name)] if name in self.names else None

    def content(self, position: int) -> str:
        """One row as a rejects file shows it."""
        if self.contents is None:
            return ",".join(column[position] for column in self.columns)
        return self.contents[position]


def read_rows(
    path: Path, layout: Layout, *, required: tuple[str, ...], optional: tuple[str, ...] | None = None
) -> Iterator[Rows]:
    """Yield all rows of a file in stretches, at least one, so that the columns of an empty file are known.

    The columns `required` and `optional` are there where the file has them; None wants every column.

    Raises:
        DataError: a file that cannot be read to its end, no header, a column twice, or a required one missing.
    """
    if path.suffix == ".parquet":
        yield from _parquet_rows(path, required, optional)
        return
    names = layout.header
    for lines in read_lines(path, layout.encoding):
        if names is None:
            names = _header(path, lines, layout)
            lines = Lines(lines.first + 1, lines.texts[1:], {at - 1: why for at, why in lines.refused.items()})
            _require(path, names, required)
        yield _cut(lines, names, layout)


def _parquet_rows(path: Path, required: tuple[str, ...], optional: tuple[str, ...] | None) -> Iterator[Rows]:
    frame = parquet.open_parquet(path)
    names = parquet.column_names(frame)
    _require(path, names, required)
    wanted = names if optional is None else tuple(name for name in names if name in {*required, *optional})
    first = 2  # a row of Parquet has the number that it would have in a file with a header
    for columns in parquet.text_columns(path, frame, wanted):
        yield Rows(wanted, columns, range(first, first + len(columns[0])), None, {})
        first += len(columns[0])


def _header(path: Path, lines: Lines, layout: Layout) -> tuple[str, ...]:
    text = lines.texts[0]
    if 0 in lines.refused:
        raise DataError(f"{path}: the first line, which must name the columns, is {lines.refused[0]}")
    if not text:
        raise DataError(f"{path}: the first line is empty; it must name the columns")
    if "\r" in text:
        raise DataError(f"{path}: lines must end in LF or CRLF; the first one holds a carriage return")
    try:
        stripped = [name.strip() for name in _fields(text, layout.separator)]
    except ValueError as error:
        raise DataError(f"{path}: the first line, which must name the columns, cannot be cut: {error}") from error
    names = tuple(layout.rename.get(name, name) for name in stripped)
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: column {name!r} appears twice")
    return names


def _require(path: Path, names: tuple[str, ...], required: tuple[str, ...]) -> None:
    for name in required:
        if name not in names:
            raise DataError(f"{path}: column {name!r} is missing; there are: {', '.join(names)}")


def _cut(lines: Lines, names: tuple[str, ...], layout: Layout) -> Rows:
    """Cut lines into columns; empty ones are no rows."""
    numbers: Sequence[int] = range(lines.first, lines.first + len(lines.texts))
    texts = lines.texts
    refused = {lines.first + at: (why, texts[at]) for at, why in lines.refused.items()}
    if refused or "" in texts:
        kept = [bool(text) and number not in refused for number, text in zip(numbers, texts, strict=True)]
        numbers, texts = list(compress(numbers, kept)), list(compress(texts, kept))
    quoted = layout.quotes and any('"' in text for text in texts)
    cut = _cut_quoted if quoted else _cut_plain
    columns, reasons = cut(texts, layout.separator, len(names))
    if reasons:
        refused |= {numbers[at]: (reason, texts[at]) for at, reason in reasons.items()}
        kept = [at not in reasons for at in range(len(texts))]
        numbers, texts = list(compress(numbers, kept)), list(compress(texts, kept))
    return Rows(names, columns, numbers, texts, refused)


def _cut_plain(texts: list[str], separator: str, num_columns: int) -> tuple[list[list[str]], dict[int, str]]:
    """The columns of the rows that have the right number of them, and position -> reason of the others."""
    counts = list(map(str.count, texts, repeat(separator)))
    reasons: dict[int, str] = {}
    if counts.count(num_columns - 1) != len(counts):
        reasons = {at: _wrong_count(n + 1, num_columns) for at, n in enumerate(counts) if n != num_columns - 1}
        texts = [text for at, text in enumerate(texts) if at not in reasons]
    # One call cuts all rows: half the time of a call each. No text holds a line break, so it can stand for both.
    flat = "\n".join(texts).replace(separator, "\n").split("\n") if texts else []
    return [flat[column::num_columns] for column in range(num_columns)], reasons


def _cut_quoted(texts: list[str], separator: str, num_columns: int) -> tuple[list[list[str]], dict[int, str]]:
    """The same where some fields stand in quotes."""
    reasons: dict[int, str] = {}
    rows = _all_fields(texts, separator, reasons)
    if set(map(len, rows)) - {num_columns}:
        for at, fields in enumerate(rows):
            if len(fields) != num_columns:
                reasons.setdefault(at, _wrong_count(len(fields), num_columns))
        rows = [fields for fields in rows if len(fields) == num_columns]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(num_columns)], reasons


def _all_fields(texts: list[str], separator: str, reasons: dict[int, str]) -> list[list[str]]:
    """The fields of each row; none, and a reason, where it is not CSV."""
    try:
        rows = list(csv.reader(texts, delimiter=separator, strict=True))
        if len(rows) == len(texts):  # fewer where a quote that is not closed has swallowed the next line
            return rows
    except csv.Error:
        pass
    rows = []
    for at, text in enumerate(texts):
        try:
            rows.append(_fields(text, separator))
        except ValueError as error:
            reasons[at] = str(error)
            rows.append([])
    return rows


def _fields(text: str, separator: str) -> list[str]:
    """The fields of one row of CSV. Raises ValueError with the reason."""
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise ValueError("a quote is not closed on its line") from error
        if "expected after" in str(error):
            raise ValueError("a quoted field goes on after its quote") from error
        raise ValueError(f"not CSV: {error}") from error


def _wrong_count(num_fields: int, num_columns: int) -> str:
    return f"wrong number of columns: {num_fields} instead of {num_columns}"
