"""The items file as one table of text, in which `columns` judges the rows.

Polars does not read the file itself: it fills short rows with nulls and gives no line numbers, and a refused row needs
both.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shortlist.events import Layout
from shortlist.events.rows import Refused, read_rows


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of a file.

    Attributes:
        columns: every column of the file, as text.
        lines: the line number of each row.
        contents: each row as it stands in the file.
        refused: the rows that could not be cut into columns.
    """

    columns: pl.DataFrame
    lines: pl.Series
    contents: pl.Series
    refused: Refused


def read_table(path: Path, layout: Layout, required: tuple[str, ...]) -> Table:
    """Read a whole file. Raises DataError for one that cannot be read, and where a required column is missing."""
    parts: list[tuple[pl.DataFrame, pl.Series, pl.Series]] = []
    refused: Refused = {}
    for rows in read_rows(path, layout, required=required):
        frame = pl.DataFrame(
            dict(zip(rows.names, rows.columns, strict=True)), schema=dict.fromkeys(rows.names, pl.String)
        )
        contents = [rows.content(at) for at in range(len(rows))]
        parts.append((frame, pl.Series(rows.lines, dtype=pl.Int64), pl.Series(contents, dtype=pl.String)))
        refused |= rows.refused
    frames, lines, texts = zip(*parts, strict=True)
    return Table(pl.concat(frames), pl.concat(lines), pl.concat(texts), refused)
