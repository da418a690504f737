"""Which files a data directory may hold, and how each is written.

| events | items | |
|---|---|---|
| `events.csv`, `.csv.gz`, `.parquet` | `items.csv`, `.csv.gz`, `.parquet` | columns named as in the contract |
| `ratings.csv`, `.csv.gz` | `movies.csv`, `.csv.gz` | MovieLens since 20M: CSV with names of its own |
| `ratings.dat` | `movies.dat` | MovieLens 1M and 10M: `::` between the fields, no header |
| `u.data` | `u.item` | MovieLens 100K: tabs, and bars in the items, no header |

The ratings of MovieLens are events of type rating. A file of items is read by training only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final


class DataError(ValueError):
    """A data directory or a file of it cannot be used: one line that names the file and what is wrong with it.

    Raised by everything in this folder that opens files; a wrong row is none, it goes to the rejects.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How the lines of a text file are cut into columns.

    Attributes:
        separator: what stands between two fields.
        quotes: a field may stand in quotes, and a quote inside is doubled. Only CSV knows that.
        header: the names of the columns, or None where the first line has them.
        rename: the names of the file -> ours, where they differ.
        encoding: of the text.
    """

    separator: str = ","
    quotes: bool = True
    header: tuple[str, ...] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One kind of data directory: the names of its files, how they are written, and the type of untyped events."""

    events: tuple[str, ...]
    items: tuple[str, ...]
    events_layout: Layout
    items_layout: Layout
    default_type: str


_CSV = Layout()
_MOVIELENS_CSV = Layout(
    rename={"userId": "user_id", "movieId": "item_id", "rating": "value", "genres": "categories"},
)
_RATINGS: Final = ("user_id", "item_id", "value", "timestamp")

FORMATS: Final = (
    Format(
        events=("events.csv", "events.csv.gz", "events.parquet"),
        items=("items.csv", "items.csv.gz", "items.parquet"),
        events_layout=_CSV,
        items_layout=_CSV,
        default_type="purchase",
    ),
    Format(
        events=("ratings.csv", "ratings.csv.gz"),
        items=("movies.csv", "movies.csv.gz"),
        events_layout=_MOVIELENS_CSV,
        items_layout=_MOVIELENS_CSV,
        default_type="rating",
    ),
    Format(
        events=("ratings.dat",),
        items=("movies.dat",),
        events_layout=Layout(separator="::", quotes=False, header=_RATINGS),
        items_layout=Layout(
            separator="::", quotes=False, header=("item_id", "title", "categories"), encoding="latin-1"
        ),
        default_type="rating",
    ),
    Format(
        events=("u.data",),
        items=("u.item",),
        events_layout=Layout(separator="\t", quotes=False, header=_RATINGS),
        items_layout=Layout(
            separator="|",
            quotes=False,
            header=("item_id", "title", "released", "video_released", "url", *(f"genre_{i}" for i in range(19))),
            encoding="latin-1",
        ),
        default_type="rating",
    ),
)


def find_events(directory: Path) -> tuple[Path, Format]:
    """The events file of a data directory and its format. Raises DataError unless there is exactly one."""
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory")
    found = [(directory / name, known) for known in FORMATS for name in known.events if (directory / name).is_file()]
    if not found:
        raise DataError(f"{directory}: no {', '.join(FORMATS[0].events)}, nor ratings of MovieLens")
    if len(found) > 1:
        raise DataError(f"{directory}: several events files ({', '.join(path.name for path, _ in found)}); keep one")
    return found[0]


def find_items(directory: Path, known: Format) -> Path | None:
    """The items file beside events of this format, None where there is none. Raises DataError for several."""
    found = [directory / name for name in known.items if (directory / name).is_file()]
    if len(found) > 1:
        raise DataError(f"{directory}: several items files ({', '.join(path.name for path in found)}); keep one")
    return found[0] if found else None
