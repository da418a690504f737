"""Parquet files as columns of text, so that their rows are judged by the rules for text.

The one module of this package that needs polars, which only the extras bring: it is imported when a file is opened.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shortlist.events.formats import DataError

if TYPE_CHECKING:
    import polars as pl

# As many rows as a block of a text file has, about: Python's texts take ten times the room of polars' own.
_ROWS_AT_ONCE: Final = 10_000


def open_parquet(path: Path) -> "pl.LazyFrame":
    """Open a file without reading its rows. Raises DataError for one that is not Parquet, and without polars."""
    try:
        import polars as pl
    except ModuleNotFoundError as error:
        raise DataError(f"{path.name} needs polars: pip install 'shortlist[training]'") from error
    try:
        frame = pl.scan_parquet(path, glob=False)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error
    return frame


def column_names(frame: "pl.LazyFrame") -> tuple[str, ...]:
    """The names of its columns."""
    return tuple(frame.collect_schema().names())


def text_columns(path: Path, frame: "pl.LazyFrame", names: Sequence[str]) -> Iterator[list[list[str]]]:
    """Yield the texts of these columns, some rows at a time, at least once; null is the empty text."""
    import polars as pl

    schema = frame.collect_schema()
    try:
        table = frame.select(names).collect()
        for start in range(0, max(table.height, 1), _ROWS_AT_ONCE):
            some = table.slice(start, _ROWS_AT_ONCE).select(_as_text(pl.col(name), schema[name]) for name in names)
            yield [column.to_list() for column in some.get_columns()]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error


def _as_text(column: "pl.Expr", dtype: "pl.DataType") -> "pl.Expr":
    """Dates and times as seconds since the epoch (naive times are UTC), lists joined with '|'."""
    import polars as pl

    if isinstance(dtype, pl.Datetime | pl.Date):
        return column.dt.epoch("s").cast(pl.String).fill_null("")
    if isinstance(dtype, pl.List):
        return column.cast(pl.List(pl.String)).list.join("|").fill_null("")
    return column.cast(pl.String, strict=False).fill_null("")


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return DataError(f"{path}: cannot be read as Parquet ({reason})")
