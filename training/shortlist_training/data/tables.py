"""One file to chunks of text columns with line numbers.

Every value stays text here, so that `reader` judges rows in one place whatever the format. Lines are read with Python's
csv module, not with polars: polars fills short rows with nulls and gives no line numbers, and a refused row needs both.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from shortlist_training.data.rejects import Rejects
from shortlist_training.errors import InputError

LINE = "line_number"
_CHUNK_ROWS = 500_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a text file is cut into columns; `header` None = the first line names them."""

    separator: str = ","
    header: tuple[str, ...] | None = None
    rename: tuple[tuple[str, str], ...] = ()
    encoding: str = "utf-8"


def read_chunks(path: Path, layout: Layout, rejects: Rejects) -> Iterator[pl.DataFrame]:
    """Yield tables of text columns plus `line_number`; rows with a wrong number of columns go to `rejects`.

    At least one table comes, so that the columns of an empty file are known.
    Raises InputError for a file that cannot be read: corrupt gzip, no header, duplicate columns.
    """
    if path.suffix == ".parquet":
        yield _read_parquet(path)
        return
    try:
        with _open_text(path, layout.encoding) as stream:
            yield from _read_text(stream, path, layout, rejects)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: corrupt gzip file ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _open_text(path: Path, encoding: str) -> IO[str]:
    # Bytes that are not text become U+FFFD, so that one bad row is refused instead of the whole file.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding, errors="replace", newline="")
    return path.open("rt", encoding=encoding, errors="replace", newline="")


def _read_text(stream: IO[str], path: Path, layout: Layout, rejects: Rejects) -> Iterator[pl.DataFrame]:
    rows = _split_rows(stream, path, layout.separator)
    header = list(layout.header or next((fields for _, fields in rows), ()))
    if not header:
        raise InputError(f"{path}: empty file, the first line must name the columns")
    header[0] = header[0].removeprefix("\ufeff")
    names = [dict(layout.rename).get(name.strip(), name.strip()) for name in header]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: column {next(n for n in names if names.count(n) > 1)!r} appears twice")
    lines: list[int] = []
    kept: list[list[str]] = []
    for line, fields in rows:
        if len(fields) != len(names):
            if fields:
                reason = f"wrong number of columns: {len(fields)} instead of {len(names)}"
                rejects.add(path.name, line, reason, layout.separator.join(fields))
            continue
        lines.append(line)
        kept.append(fields)
        if len(kept) == _CHUNK_ROWS:
            yield _as_table(names, lines, kept)
            lines, kept = [], []
    yield _as_table(names, lines, kept)


def _split_rows(stream: IO[str], path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    if len(separator) > 1:
        for number, text in enumerate(stream, start=1):
            stripped = text.rstrip("\r\n")
            yield number, stripped.split(separator) if stripped else []
        return
    reader = csv.reader(stream, delimiter=separator)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} cannot be read as CSV ({error})") from error


def _as_table(names: Sequence[str], lines: Sequence[int], rows: Sequence[Sequence[str]]) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    data = {name: pl.Series(name, column, dtype=pl.String) for name, column in zip(names, columns, strict=True)}
    return pl.DataFrame({**data, LINE: pl.Series(LINE, lines, dtype=pl.Int64)})


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from error
    return (
        table.select(_as_text(name, dtype) for name, dtype in table.schema.items())
        .with_row_index(LINE, offset=2)
        .with_columns(pl.col(LINE).cast(pl.Int64))
    )


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """Text of a column; a date or time becomes seconds since the epoch (naive times are UTC), a list joins with '|'."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime | pl.Date):
        return column.dt.epoch("s").cast(pl.String).fill_null("")
    if isinstance(dtype, pl.List):
        return column.cast(pl.List(pl.String)).list.join("|").fill_null("")
    return column.cast(pl.String, strict=False).fill_null("")
