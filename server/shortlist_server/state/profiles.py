"""What a profile keeps of the events of one user: the rule that every store follows, whatever its bytes look like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from shortlist.vocabulary import EVENT_TYPES

DISLIKE: Final = EVENT_TYPES["dislike"]
"""The one type that never enters a history."""


class Entry(NamedTuple):
    """One interaction: the item's id as UTF-8 bytes, seconds since the epoch, the number of the contract's type, and
    the rating or quantity that came with it, a float32 value, 0 where none did.
    """

    item: bytes
    timestamp: int
    type: int
    value: float


def merge_entries(profile: Iterable[Entry], new: Iterable[Entry], max_entries: int) -> Sequence[Entry]:
    """The profile after these new events, both in order; `new` in order of arrival, the result by (timestamp, arrival).

    Of each item the last interaction stays, with its own value, and, apart from it, the last dislike: a dislike does
    not undo the interaction that a history still shows. Where timestamps are equal, the one that arrived later is the
    last. Of all entries the last `max_entries` stay.
    """
    kept: dict[tuple[bytes, bool], tuple[int, int, Entry]] = {}
    # The entries of the profile arrived before the new events; among themselves they stand in the order of ties.
    for arrival, entry in enumerate((*profile, *new)):
        key = (entry.item, entry.type == DISLIKE)
        before = kept.get(key)
        if before is None or entry.timestamp >= before[0]:
            kept[key] = (entry.timestamp, arrival, entry)
    return [entry for _, _, entry in sorted(kept.values())[-max_entries:]]
