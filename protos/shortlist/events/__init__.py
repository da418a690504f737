"""Reads the events of a data directory: one reading, for `shortlist events import` and for training.

| module | what it does |
|---|---|
| `formats` | which files a data directory may hold, and how each is written; `DataError` |
| `lines` | a text file, gzip or not, to its lines, in bounded memory |
| `parquet` | a Parquet file to columns of text, through polars |
| `rows` | both to rows with line numbers; training reads its items through it, too |
| `values` | the rules for one value: id, timestamp, type, value |
| `reader` | rows to checked events: columns, or batches of `shortlist.Event` |
| `rejects` | the rows that were refused: counted, shown, written to a file |

Imports the standard library and the vocabulary; polars only when a Parquet file is opened.
"""

from shortlist.events.formats import DataError, Format, Layout, find_events, find_items
from shortlist.events.reader import EventColumns, read_batches, read_columns
from shortlist.events.rejects import Reject, Rejects

__all__ = [
    "DataError",
    "EventColumns",
    "Format",
    "Layout",
    "Reject",
    "Rejects",
    "find_events",
    "find_items",
    "read_batches",
    "read_columns",
]
