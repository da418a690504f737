"""What each user did before a cut, and what they did after it.

B users of a batch, L = max_history, U users, H history entries.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.dataset import DISLIKE, Dataset
from shortlist_training.data.split import Window

SECONDS_PER_DAY = 86_400


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
        lengths = self.lengths()[users]
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        positions = np.arange(indptr[-1]) + np.repeat(self.indptr[users] - indptr[:-1], lengths)
        return Lists(indptr, self.rows[positions])


class Histories(NamedTuple):
    """Distinct items per user by their last interaction, oldest first, with its time (int64 seconds)."""

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    timestamps: NDArray[np.int64]


def histories_before(dataset: Dataset, cut: int, num_known: int | None = None) -> Histories:
    """Every user's history before `cut`: dislikes left out, rows from `num_known` on too; of any length."""
    events = np.arange(dataset.until(cut))
    events = events[dataset.types[: len(events)] != DISLIKE]
    if num_known is not None:
        events = events[dataset.rows[events] < num_known]
    users, rows = dataset.users[events].astype(np.int64), dataset.rows[events]
    # The last interaction of a pair is its first one when time runs backwards.
    _, reverse = np.unique((users * dataset.num_items + rows)[::-1], return_index=True)
    last = np.sort(len(events) - 1 - reverse)
    last = last[np.argsort(users[last], kind="stable")]
    indptr = np.concatenate(([0], np.cumsum(np.bincount(users[last], minlength=dataset.num_users))))
    return Histories(indptr, rows[last], dataset.timestamps[events[last]])


def seen_before(dataset: Dataset, cut: int, num_known: int | None = None) -> Lists:
    """Every user's distinct items before `cut`, by row, only rows under `num_known`; a disliked item is seen too."""
    users, rows = dataset.users[: dataset.until(cut)], dataset.rows[: dataset.until(cut)]
    kept = rows < (dataset.num_items if num_known is None else num_known)
    return _distinct(dataset, users[kept], rows[kept])


def new_items_in(dataset: Dataset, window: Window, types: tuple[int, ...] | None = None) -> Lists:
    """The distinct items of each user in the window that they had not seen before it, by row.

    Only events of these types are looked at; without them, those that count as success.
    """
    events = slice(dataset.until(window.start), dataset.until(window.end))
    wanted = np.isin(dataset.types[events], dataset.target_types if types is None else types)
    users, rows = dataset.users[events][wanted], dataset.rows[events][wanted]
    seen = seen_before(dataset, window.start)
    seen_keys = np.repeat(np.arange(dataset.num_users), seen.lengths()) * dataset.num_items + seen.rows
    new = ~np.isin(users.astype(np.int64) * dataset.num_items + rows, seen_keys)
    return _distinct(dataset, users[new], rows[new])


def history_features(
    histories: Histories, users: NDArray[np.int64], max_history: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """`history.items` int64 (B, L), row + 1, left-padded with 0, and `history.recency_days` float32 (B, L).

    Recency is the age of an entry at the time of the user's latest one.
    """
    items_BL = np.zeros((len(users), max_history), dtype=np.int64)
    recency_BL = np.zeros((len(users), max_history), dtype=np.float32)
    for position, user in enumerate(users):
        end = histories.indptr[user + 1]
        start = max(histories.indptr[user], end - max_history)
        if start == end:
            continue
        times = histories.timestamps[start:end]
        items_BL[position, start - end :] = histories.rows[start:end].astype(np.int64) + 1
        recency_BL[position, start - end :] = (times[-1] - times).astype(np.float32) / np.float32(SECONDS_PER_DAY)
    return items_BL, recency_BL


def _distinct(dataset: Dataset, users: NDArray[np.int32], rows: NDArray[np.int32]) -> Lists:
    keys = np.unique(users.astype(np.int64) * dataset.num_items + rows)
    counts = np.bincount(keys // dataset.num_items, minlength=dataset.num_users)
    return Lists(np.concatenate(([0], np.cumsum(counts))), (keys % dataset.num_items).astype(np.int32))
