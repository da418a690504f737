"""A data directory to a checked events table and items table.

- `events.{csv,csv.gz,parquet}`: user_id, item_id, timestamp; optional type, value. Further columns are context, which
  no model reads yet.
- `items.{csv,csv.gz,parquet}`, optional: item_id; optional title, text, tags, categories, image, price, available and
  further numeric attributes.
- MovieLens: `u.data` + `u.item`, `ratings.dat` + `movies.dat`, `ratings.csv` + `movies.csv` (.gz too); ratings become
  events of type "rating".

A timestamp is a whole number of seconds since the epoch or an ISO 8601 date or time (UTC unless it names an offset).
Tags and categories hold several values joined by '|'.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from shortlist_training.data.columns import check_events, check_items, numeric_attributes
from shortlist_training.data.description import Description, read_description
from shortlist_training.data.rejects import Rejects
from shortlist_training.data.tables import Layout, read_chunks
from shortlist_training.errors import InputError

_PLAIN = Layout()
_NUM_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Format:
    """Names of the files of one family of layouts, without their endings, and how to read them."""

    events: str
    items: str
    endings: tuple[str, ...]
    events_layout: Layout = _PLAIN
    items_layout: Layout = _PLAIN
    event_type: str = "purchase"


_MOVIELENS_RENAME = (("userId", "user_id"), ("movieId", "item_id"), ("rating", "value"), ("genres", "categories"))
_RATING_COLUMNS = ("user_id", "item_id", "value", "timestamp")
_FORMATS = (
    _Format(events="events", items="items", endings=(".csv", ".csv.gz", ".parquet")),
    _Format(
        events="ratings",
        items="movies",
        endings=(".csv", ".csv.gz"),
        events_layout=Layout(rename=_MOVIELENS_RENAME),
        items_layout=Layout(rename=_MOVIELENS_RENAME),
        event_type="rating",
    ),
    _Format(
        events="ratings",
        items="movies",
        endings=(".dat",),
        events_layout=Layout(separator="::", header=_RATING_COLUMNS),
        items_layout=Layout(separator="::", header=("item_id", "title", "categories"), encoding="latin-1"),
        event_type="rating",
    ),
    _Format(
        events="u",
        items="u",
        endings=(".data",),
        events_layout=Layout(separator="\t", header=_RATING_COLUMNS),
        items_layout=Layout(
            separator="|",
            header=("item_id", "title", "released", "video_released", "url", *(f"genre_{i}" for i in range(19))),
            encoding="latin-1",
        ),
        event_type="rating",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RawData:
    """What a data directory holds after checking.

    Attributes:
        events: user_id, item_id (text), timestamp (int64 seconds), type (text), value (float64 or null), in file order.
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
    events_path, layout = _find_events(directory)
    rejects = Rejects()
    chunks = [
        check_events(chunk, events_path, layout.event_type, rejects)
        for chunk in read_chunks(events_path, layout.events_layout, rejects)
    ]
    events = pl.concat(chunks)
    if events.is_empty():
        raise InputError(f"{events_path}: no usable event ({len(rejects)} rows refused)")
    notes: list[str] = []
    items = _read_items(directory, events_path, layout, rejects, notes)
    if items is not None:
        notes += _undescribed(events, items)
    return RawData(description=read_description(directory), events=events, items=items, rejects=rejects, notes=notes)


def _find_events(directory: Path) -> tuple[Path, _Format]:
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory")
    found = [
        (directory / f"{layout.events}{ending}", layout)
        for layout in _FORMATS
        for ending in layout.endings
        if (directory / f"{layout.events}{ending}").is_file()
    ]
    if not found:
        raise InputError(f"{directory}: no events.csv, events.csv.gz, events.parquet, nor ratings of MovieLens")
    if len(found) > 1:
        raise InputError(f"{directory}: several events files ({', '.join(path.name for path, _ in found)}); keep one")
    return found[0]


def _read_items(
    directory: Path, events_path: Path, layout: _Format, rejects: Rejects, notes: list[str]
) -> pl.DataFrame | None:
    endings = (".item",) if layout.events == "u" else layout.endings
    found = [directory / f"{layout.items}{e}" for e in endings if (directory / f"{layout.items}{e}").is_file()]
    if not found:
        notes.append(
            f"no {layout.items}{endings[0]} beside {events_path.name}: the catalogue is the items of the events"
        )
        return None
    if len(found) > 1:
        raise InputError(f"{directory}: several items files ({', '.join(path.name for path in found)}); keep one")
    table = pl.concat(list(read_chunks(found[0], layout.items_layout, rejects)))
    attributes, ignored = numeric_attributes(table)
    if ignored:
        notes.append(f"{found[0].name}: not numeric, so not kept as attributes: {', '.join(ignored)}")
    return check_items(table, found[0], attributes, rejects)


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
