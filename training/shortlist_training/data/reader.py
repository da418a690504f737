"""A data directory to a checked events table and items table.

Which files it may hold says `shortlist.events.formats`. `shortlist.events` reads the events, for the client too, so
that what is trained on can be recorded. No column of them is used but user_id, item_id, timestamp, type and value. The
items file needs item_id and may have title, text, tags, categories, image, price, available and further numeric
attributes; tags and categories hold several values joined by '|'.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from shortlist.events import EventColumns, Format, find_events, find_items, read_columns
from shortlist_training.data.columns import check_items, numeric_attributes
from shortlist_training.data.description import Description, read_description
from shortlist_training.data.rejects import Rejects, input_errors
from shortlist_training.data.tables import read_table
from shortlist_training.errors import InputError

_NUM_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class RawData:
    """What a data directory holds after checking.

    Attributes:
        events: user_id, item_id (text), timestamp (int64 seconds), type (uint8, a number of the contract's EventType),
            value (float64 or null), in file order.
        items: item_id, title, text, tags, categories (text), price (float64 or null), available (bool) and further
            float64 attributes; None when the directory has no items file.
        rejects: the refused rows.
        notes: what a reader of the report should know besides (ignored columns, items without a description).
    """

    description: Description
    events: pl.DataFrame
    items: pl.DataFrame | None
    rejects: Rejects
    notes: list[str] = field(default_factory=list)


def read_directory(directory: Path) -> RawData:
    """Read and check every row of a data directory.

    Raises:
        InputError: no or several events files, a corrupt file, a missing column, or no usable event.
    """
    rejects = Rejects()
    notes: list[str] = []
    with input_errors():
        path, known = find_events(directory)
        events = pl.concat([_as_table(columns) for columns in read_columns(path, known, rejects)], rechunk=True)
        if events.is_empty():
            raise InputError(f"{path}: no usable event ({len(rejects)} rows refused)")
        items = _read_items(directory, path, known, rejects, notes)
    if items is not None:
        notes += _undescribed(events, items)
    return RawData(description=read_description(directory), events=events, items=items, rejects=rejects, notes=notes)


def _as_table(columns: EventColumns) -> pl.DataFrame:
    values = pl.Series(np.frombuffer(columns.values, dtype=np.float64))
    return pl.DataFrame(
        {
            "user_id": pl.Series(columns.user_ids, dtype=pl.String),
            "item_id": pl.Series(columns.item_ids, dtype=pl.String),
            "timestamp": pl.Series(np.frombuffer(columns.timestamps, dtype=np.int64)),
            "type": pl.Series(np.frombuffer(columns.types, dtype=np.uint8)),
            "value": values.fill_nan(None),
        }
    )


def _read_items(
    directory: Path, events_path: Path, known: Format, rejects: Rejects, notes: list[str]
) -> pl.DataFrame | None:
    path = find_items(directory, known)
    if path is None:
        notes.append(f"no {known.items[0]} beside {events_path.name}: the catalogue is the items of the events")
        return None
    table = read_table(path, known.items_layout, required=("item_id",))
    attributes, ignored = numeric_attributes(table.columns)
    if ignored:
        notes.append(f"{path.name}: not numeric, so not kept as attributes: {', '.join(ignored)}")
    items, refused = check_items(table, attributes)
    rejects.add(path.name, refused)
    return items


def _undescribed(events: pl.DataFrame, items: pl.DataFrame) -> list[str]:
    """A note on the items that have events but no usable row in the items file, if there are any."""
    ids = events.select("item_id").unique().join(items, on="item_id", how="anti")["item_id"].sort()
    if ids.is_empty():
        return []
    shown = ", ".join(ids.head(_NUM_SHOWN)) + (", ..." if len(ids) > _NUM_SHOWN else "")
    return [
        f"items with events but without a usable row in the items file: {len(ids):,} ({shown}); "
        "they join the catalogue without title and price"
    ]


def summary_rows(data: RawData) -> Sequence[tuple[str, str]]:
    """(name, value) pairs that describe the data for a table on the terminal."""
    events = data.events
    first, last = events["timestamp"].min(), events["timestamp"].max()
    return (
        ("name", data.description.name),
        ("licence", data.description.licence),
        ("events", f"{events.height:,}"),
        ("users", f"{events['user_id'].n_unique():,}"),
        ("items with events", f"{events['item_id'].n_unique():,}"),
        ("items in the items file", "-" if data.items is None else f"{data.items.height:,}"),
        ("first timestamp", str(first)),
        ("last timestamp", str(last)),
        ("refused rows", f"{len(data.rejects):,}"),
    )
