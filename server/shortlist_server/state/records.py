"""The bytes of the LMDB store: event keys, event values and profile records.

event key     length of user id (1 byte), user id, timestamp (8 bytes, big-endian, sign bit flipped so that bytes
sort like numbers), item id, type (1 byte): at most 266 bytes
event value   value float32, arrival uint64: how many new events of this user came before it
profile       header (version, number of entries, number of arrivals), timestamps int64, values float32, types uint8,
item ids joined by 0xFF, a byte that UTF-8 never uses; little-endian throughout: at most 142 bytes an entry
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_server.errors import DamagedRecordError
from shortlist_server.state.profiles import Entry
from shortlist_server.state.store import EMPTY_PROFILE, Profile

_HEADER: Final = struct.Struct("<BxxxIQ")
_VALUE: Final = struct.Struct("<fQ")
_TIMESTAMPS: Final = np.dtype("<i8")
_VALUES: Final = np.dtype("<f4")
_COLUMN_BYTES: Final = 8 + 4 + 1
"""What an entry takes in the three columns before the item ids. Wider numbers come first: each column is aligned."""
_VERSION: Final = 2
_SIGN: Final = 1 << 63
_SEPARATOR: Final = b"\xff"


class EventRecord(NamedTuple):
    """One recorded event, read back. `moment` is the start of its key, equal for all events of one user and second."""

    user: bytes
    item: bytes
    type: int
    timestamp: int
    value: float
    arrival: int
    moment: bytes


def user_prefix(user: bytes) -> bytes:
    """What the keys of all events of this user start with, and no others."""
    return bytes((len(user),)) + user


def event_key(user: bytes, event: Entry) -> bytes:
    """Equal exactly for events equal in user, timestamp, item and type."""
    moment = (event.timestamp + _SIGN).to_bytes(8, "big")
    return b"".join((user_prefix(user), moment, event.item, bytes((event.type,))))


def event_value(event: Entry, arrival: int) -> bytes:
    """What is stored under an event key."""
    return _VALUE.pack(event.value, arrival)


def event_record(key: bytes, stored: bytes) -> EventRecord:
    """The event behind a key and its value."""
    end_of_user = 1 + key[0]
    moment = key[: end_of_user + 8]
    value, arrival = _VALUE.unpack(stored)
    timestamp = int.from_bytes(moment[end_of_user:], "big") - _SIGN
    return EventRecord(key[1:end_of_user], key[len(moment) : -1], key[-1], timestamp, value, arrival, moment)


def num_arrivals(record: bytes | None) -> int:
    """How many new events ever reached the profile in this record, 0 for None. Raises DamagedRecordError."""
    return 0 if record is None else _read_header(record)[1]


def read_profile(record: bytes | None) -> Profile:
    """The profile in this record, an empty one for None. The arrays are views of the record; only ids are copied.

    Raises DamagedRecordError.
    """
    if record is None:
        return EMPTY_PROFILE
    columns = _read_columns(record)
    try:
        item_ids = [item.decode() for item in columns.items]
    except UnicodeDecodeError:
        raise DamagedRecordError("profile record with an id that is not UTF-8 is damaged") from None
    return Profile(item_ids, columns.timestamps, columns.types, columns.values)


def read_entries(record: bytes | None) -> list[Entry]:
    """What `read_profile` reads, as entries. Raises DamagedRecordError."""
    if record is None:
        return []
    columns = _read_columns(record)
    numbers = (column.tolist() for column in (columns.timestamps, columns.types, columns.values))
    return [Entry(*entry) for entry in zip(columns.items, *numbers, strict=True)]


def pack_profile(entries: Sequence[Entry], arrivals: int) -> bytes:
    """The record of these entries, of which there is at least one, after so many new events."""
    return b"".join(
        (
            _HEADER.pack(_VERSION, len(entries), arrivals),
            np.array([entry.timestamp for entry in entries], dtype=_TIMESTAMPS).tobytes(),
            np.array([entry.value for entry in entries], dtype=_VALUES).tobytes(),
            bytes(entry.type for entry in entries),
            _SEPARATOR.join(entry.item for entry in entries),
        )
    )


class _Columns(NamedTuple):
    """What a profile record holds after its header."""

    timestamps: NDArray[np.int64]
    values: NDArray[np.float32]
    types: NDArray[np.uint8]
    items: list[bytes]


def _read_columns(record: bytes) -> _Columns:
    """The arrays as views of the record. Raises DamagedRecordError."""
    count, _ = _read_header(record)
    values_at = _HEADER.size + 8 * count
    types_at = values_at + 4 * count
    return _Columns(
        np.frombuffer(record, _TIMESTAMPS, count, _HEADER.size),
        np.frombuffer(record, _VALUES, count, values_at),
        np.frombuffer(record, np.uint8, count, types_at),
        record[types_at + count :].split(_SEPARATOR),
    )


def _read_header(record: bytes) -> tuple[int, int]:
    """The number of entries and of arrivals. Raises DamagedRecordError unless the record has this version and is as
    long as its entries.
    """
    if len(record) < _HEADER.size:
        raise DamagedRecordError(f"profile record of {len(record)} bytes is damaged")
    version, count, arrivals = _HEADER.unpack_from(record)
    if version != _VERSION:
        raise DamagedRecordError(f"profile record of version {version}, this server reads {_VERSION}")
    end_of_columns = _HEADER.size + _COLUMN_BYTES * count
    if record.count(_SEPARATOR, end_of_columns) + 1 != count or len(record) < end_of_columns + 2 * count - 1:
        raise DamagedRecordError(f"profile record of {len(record)} bytes for {count} entries is damaged")
    return count, arrivals
