"""What each user did, as histories, seen items and new items: lists per user in compressed rows.

U users, B users of a batch, H history entries of all of them.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.dataset import DISLIKE, Dataset


class Lists(NamedTuple):
    """A list of item rows per user: those of user u are `rows[indptr[u]:indptr[u + 1]]`."""

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]

    def of(self, user: int) -> NDArray[np.int32]:
        """The rows of one user."""
        return self.rows[self.indptr[user] : self.indptr[user + 1]]

    def lengths(self) -> NDArray[np.int64]:
        """How many rows each user has."""
        return np.diff(self.indptr)

    def take(self, users: NDArray[np.int64]) -> "Lists":
        """The lists of these users, in this order."""
        indptr, places = _places_of(self.indptr, users)
        return Lists(indptr, self.rows[places])


class Histories(NamedTuple):
    """Distinct items per user by their last interaction, oldest first, dislikes left out; of any length.

    timestamps (int64 seconds), types (uint8) and values (float32, NaN = none) are those of that last interaction.
    """

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    timestamps: NDArray[np.int64]
    types: NDArray[np.uint8]
    values: NDArray[np.float32]

    def lengths(self) -> NDArray[np.int64]:
        """How many items each history has."""
        return np.diff(self.indptr)

    def take(self, users: NDArray[np.int64]) -> "Histories":
        """The histories of these users, in this order."""
        indptr, places = _places_of(self.indptr, users)
        return self._at(indptr, places)

    def last(self, length: int) -> "Histories":
        """The last so many entries of each history."""
        lengths = self.lengths()
        kept = np.minimum(lengths, length)
        position = np.arange(len(self.rows)) - np.repeat(self.indptr[:-1], lengths)
        indptr = np.concatenate(([0], np.cumsum(kept)))
        return self._at(indptr, np.flatnonzero(position >= np.repeat(lengths - kept, lengths)))

    def _at(self, indptr: NDArray[np.int64], places: NDArray[np.int64]) -> "Histories":
        return Histories(indptr, self.rows[places], self.timestamps[places], self.types[places], self.values[places])


def histories_of(dataset: Dataset, num_known: int | None = None) -> Histories:
    """Every user's history, dislikes left out, rows from `num_known` on too."""
    kept = dataset.types != DISLIKE
    if num_known is not None:
        kept &= dataset.rows < num_known
    events = np.flatnonzero(kept)
    users, rows = dataset.users[events].astype(np.int64), dataset.rows[events]
    # The last interaction of a pair is its first one when time runs backwards.
    _, reverse = np.unique((users * dataset.num_items + rows)[::-1], return_index=True)
    last = np.sort(len(events) - 1 - reverse)
    last = last[np.argsort(users[last], kind="stable")]
    indptr = np.concatenate(([0], np.cumsum(np.bincount(users[last], minlength=dataset.num_users))))
    places = events[last]
    return Histories(indptr, rows[last], dataset.timestamps[places], dataset.types[places], dataset.values[places])


def seen_items(dataset: Dataset, num_known: int | None = None) -> Lists:
    """Every user's distinct items, by row, only rows under `num_known`; a disliked item is seen too."""
    kept = dataset.rows < (dataset.num_items if num_known is None else num_known)
    return _distinct(dataset, dataset.users[kept], dataset.rows[kept])


def new_items(past: Dataset, future: Dataset, types: tuple[int, ...]) -> Lists:
    """The distinct items that each user meets in `future` by events of these types and never met in `past`, by row."""
    wanted = np.isin(future.types, types)
    users, rows = future.users[wanted], future.rows[wanted]
    seen = seen_items(past)
    seen_keys = np.repeat(np.arange(past.num_users), seen.lengths()) * past.num_items + seen.rows
    new = ~np.isin(users.astype(np.int64) * past.num_items + rows, seen_keys)
    return _distinct(past, users[new], rows[new])


def _places_of(indptr: NDArray[np.int64], users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indptr of these users' lists beside each other, and where their entries lie now."""
    lengths = np.diff(indptr)[users]
    taken = np.concatenate(([0], np.cumsum(lengths)))
    return taken, np.arange(taken[-1]) + np.repeat(indptr[users] - taken[:-1], lengths)


def _distinct(dataset: Dataset, users: NDArray[Any], rows: NDArray[np.int32]) -> Lists:
    keys = np.unique(users.astype(np.int64) * dataset.num_items + rows)
    counts = np.bincount(keys // dataset.num_items, minlength=dataset.num_users)
    return Lists(np.concatenate(([0], np.cumsum(counts))), (keys % dataset.num_items).astype(np.int32))
