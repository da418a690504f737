"""An events file to checked events: as columns for training, as batches of `shortlist.Event` for the client."""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import compress, islice
from math import nan
from pathlib import Path
from typing import Final, TypeVar

from shortlist.events.formats import DataError, Format
from shortlist.events.rejects import Rejects
from shortlist.events.rows import Refused, Rows, read_rows
from shortlist.events.values import read_id, read_timestamp, read_value, type_reader
from shortlist.options import Event
from shortlist.vocabulary import EVENT_TYPES

REQUIRED: Final = ("user_id", "item_id", "timestamp")
OPTIONAL: Final = ("type", "value")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Some consecutive events of a file, in its order.

    Attributes:
        user_ids, item_ids: texts.
        timestamps: int64 ("q"), seconds since the epoch.
        types: uint8 ("B"), numbers of the contract's EventType.
        values: float64 ("d"), NaN where there is none.
    """

    user_ids: list[str]
    item_ids: list[str]
    timestamps: "array[int]"
    types: "array[int]"
    values: "array[float]"

    def __len__(self) -> int:
        return len(self.user_ids)


def read_columns(
    path: Path, known: Format, rejects: Rejects, *, default_type: str | None = None
) -> Iterator[EventColumns]:
    """Yield the events of a file, some thousand at a time; wrong rows go to `rejects`.

    path, known: as `find_events` gives them. default_type: of events that name none; None: that of the format.

    Raises:
        DataError: an unknown default type, or a file that cannot be read to its end (see `read_rows`).
    """
    name = known.default_type if default_type is None else default_type
    if name not in EVENT_TYPES:
        raise DataError(f"type {name!r} is not one of {', '.join(EVENT_TYPES)}")
    check = _Check(EVENT_TYPES[name])
    for rows in read_rows(path, known.events_layout, required=REQUIRED, optional=OPTIONAL):
        columns, refused = check.events(rows)
        rejects.add(path.name, rows.refused | refused)
        yield columns


def read_batches(
    path: Path, known: Format, rejects: Rejects, *, batch_size: int, default_type: str | None = None
) -> Iterator[list[Event]]:
    """The same as lists of `batch_size` events, the last one shorter; an absent value is 0, as in the contract."""
    names = {number: name for name, number in EVENT_TYPES.items()}
    events = (
        Event(user_id=user_id, item_id=item_id, type=names[number], timestamp=timestamp, value=value)
        for columns in read_columns(path, known, rejects, default_type=default_type)
        for user_id, item_id, timestamp, number, value in zip(
            columns.user_ids,
            columns.item_ids,
            columns.timestamps,
            columns.types,
            [0.0 if value != value else value for value in columns.values],
            strict=True,
        )
    )
    while batch := list(islice(events, batch_size)):
        yield batch


class _Check:
    """Judges rows by the rules of `values`."""

    def __init__(self, default_type: int) -> None:
        self._default_type = default_type
        self._read_type = type_reader(default_type)

    def events(self, rows: Rows) -> tuple[EventColumns, Refused]:
        """The events of the good rows, and the others, each with the first thing that is wrong with it."""
        reasons: dict[int, str] = {}
        user_ids = _values(rows, "user_id", read_id, reasons, "")
        item_ids = _values(rows, "item_id", read_id, reasons, "")
        timestamps = _values(rows, "timestamp", read_timestamp, reasons, 0)
        types = _values(rows, "type", self._read_type, reasons, self._default_type)
        values = _values(rows, "value", read_value, reasons, nan)
        if reasons:
            kept = [at not in reasons for at in range(len(rows))]
            user_ids, item_ids = list(compress(user_ids, kept)), list(compress(item_ids, kept))
            timestamps, types = list(compress(timestamps, kept)), list(compress(types, kept))
            values = list(compress(values, kept))
        columns = EventColumns(user_ids, item_ids, array("q", timestamps), array("B", types), array("d", values))
        return columns, {rows.lines[at]: (reason, rows.content(at)) for at, reason in reasons.items()}


def _values(rows: Rows, name: str, read: Callable[[str], _T], reasons: dict[int, str], absent: _T) -> list[_T]:
    """The values of a column; a wrong text gives `absent` and its reason, if the row does not have one already."""
    column = rows.column(name)
    if column is None:
        return [absent] * len(rows)
    try:
        return list(map(read, column))
    except ValueError:  # some text among them is wrong; only then is each looked at by itself
        pass
    values: list[_T] = []
    for at, text in enumerate(column):
        try:
            values.append(read(text))
        except ValueError as error:
            reasons.setdefault(at, f"{name} {error}")
            values.append(absent)
    return values
