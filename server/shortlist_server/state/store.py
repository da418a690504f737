"""The store of what users did: its interface and the two shapes that pass through it.

Event types are the numbers of the contract's EventType. Timestamps are seconds since the epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shortlist.vocabulary import MAX_ID_BYTES


@dataclass(frozen=True, slots=True)
class EventBatch:
    """n events as columns, in order of arrival. Raises ValueError when the columns do not fit each other or an id is
    not 1 to 128 UTF-8 bytes, so that a store never meets a bad batch.
    """

    user_ids: list[str]
    item_ids: list[str]
    types: NDArray[np.uint8]
    timestamps: NDArray[np.int64]
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        num_events = len(self.user_ids)
        if len(self.item_ids) != num_events:
            raise ValueError(f"item_ids: {len(self.item_ids)} entries for {num_events} events")
        for name, column, dtype in (
            ("types", self.types, np.uint8),
            ("timestamps", self.timestamps, np.int64),
            ("values", self.values, np.float32),
        ):
            if column.dtype != dtype or column.shape != (num_events,):
                raise ValueError(
                    f"{name}: {column.dtype} {column.shape} where {np.dtype(dtype)} ({num_events},) belongs"
                )
        for name, ids in (("user_ids", self.user_ids), ("item_ids", self.item_ids)):
            for event_index, identifier in enumerate(ids):
                if not 1 <= len(identifier.encode()) <= MAX_ID_BYTES:
                    raise ValueError(f"{name}[{event_index}]: {identifier!r} is not 1 to {MAX_ID_BYTES} UTF-8 bytes")

    def __len__(self) -> int:
        return len(self.user_ids)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the store remembers of one user, ordered by (timestamp of the last interaction, order of arrival).

    Which entries stay is the rule of `profiles.merge_entries`: the last interaction of each item and, beside it, its
    last dislike. `values` holds what came with that interaction, the rating or the quantity, and 0 where nothing did.
    All columns are read-only.
    """

    item_ids: list[str]
    timestamps: NDArray[np.int64]
    types: NDArray[np.uint8]
    values: NDArray[np.float32]

    @property
    def empty(self) -> bool:
        """True when nothing was ever recorded for this user."""
        return not self.item_ids


EMPTY_PROFILE: Final = Profile([], np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.float32))


class Store(Protocol):
    """Where events are kept. Every method may be called from any thread.

    Every method raises StateError when the storage cannot be reached or fails. Reading again user by user is no way
    out then: each call may take as long as the first. DamagedRecordError, which is a StateError, says that only the
    record of one user cannot be decoded; there it is.
    """

    def append(self, batch: EventBatch) -> int:
        """Record the events, all or none, durable when it returns. An event equal in user, item, type and timestamp
        to a recorded one is not recorded again, whatever its value. Returns how many were new. Raises
        DamagedRecordError when the profile of one of the users is damaged.
        """
        ...

    def append_all(self, batches: Sequence[EventBatch]) -> list[int]:
        """Like `append` for several batches in one transaction: all or none; returns the new events of each."""
        ...

    def profiles(self, user_ids: Sequence[str]) -> list[Profile]:
        """The profiles as of one moment, in the order asked; an unknown user has an empty one. Raises
        DamagedRecordError when that of one of the users is damaged: the others can be read without it.
        """
        ...

    def count_events(self) -> int:
        """How many distinct events are recorded."""
        ...

    def export(self, user_id: str | None = None, batch_size: int = 10_000) -> Iterator[EventBatch]:
        """Every recorded event (of one user, or of all) ordered by user, timestamp and arrival, in batches of about
        `batch_size`. Events recorded meanwhile may or may not appear.
        """
        ...

    def close(self) -> None:
        """Release the storage. Later calls raise StateError."""
        ...
