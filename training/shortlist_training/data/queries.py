"""A batch of users as the funnel sees them at one moment.

B users, L = max_history, H history entries of all of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.dataset import ANY_BUT_DISLIKE, Dataset
from shortlist_training.data.histories import Lists, histories_before, history_features, new_items_in, seen_before
from shortlist_training.data.split import Window

HistoryWeights = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """History features of B users, and what each has seen (and so must not be offered)."""

    history_items_BL: NDArray[np.int64]
    history_recency_BL: NDArray[np.float32]
    seen: Lists

    def __len__(self) -> int:
        return len(self.history_items_BL)

    @property
    def with_history_B(self) -> NDArray[np.bool_]:
        """False for a cold start: the last position is the most recent item, or padding."""
        return self.history_items_BL[:, -1] > 0

    @property
    def exclude(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The seen items as the kernels take them."""
        return self.seen.indptr, self.seen.rows.astype(np.int64)

    def weighted_history(self, decay: float) -> HistoryWeights:
        """(indptr, rows, weights) of the histories, oldest first; weight = decay ** steps from the most recent."""
        present_BL = self.history_items_BL > 0
        steps_L = np.arange(present_BL.shape[1] - 1, -1, -1)
        weights_L = np.power(decay, steps_L, dtype=np.float64).astype(np.float32)
        indptr = np.concatenate(([0], np.cumsum(present_BL.sum(axis=1)))).astype(np.int64)
        weights_BL = np.broadcast_to(weights_L, present_BL.shape)
        return indptr, (self.history_items_BL[present_BL] - 1).astype(np.int32), weights_BL[present_BL].copy()

    def slice(self, start: int, end: int) -> "Queries":
        """The users at these positions."""
        users = np.arange(start, min(end, len(self)))
        return Queries(self.history_items_BL[users], self.history_recency_BL[users], self.seen.take(users))


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """The users who count in a window: their queries at its start and the new items they took in it."""

    window: Window
    queries: Queries
    targets: Lists

    def __len__(self) -> int:
        return len(self.queries)


def task_in(
    dataset: Dataset,
    window: Window,
    max_history: int,
    *,
    max_users: int | None = None,
    seed: int = 0,
    num_known: int | None = None,
) -> Task:
    """Users with a history item before the window and a new target item in it, by position.

    With `max_users` at most so many of them, drawn with `seed`. With `num_known`, rows from there on cannot be offered:
    they stand in no history, but they stay targets, which are missed.
    """
    histories = histories_before(dataset, window.start, num_known)
    targets = new_items_in(dataset, window)
    users = np.flatnonzero((np.diff(histories.indptr) > 0) & (targets.lengths() > 0))
    if max_users is not None and max_users < len(users):
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
    items_BL, recency_BL = history_features(histories, users, max_history)
    queries = Queries(items_BL, recency_BL, seen_before(dataset, window.start, num_known).take(users))
    return Task(window, queries, targets.take(users))


def count_active_users(dataset: Dataset, window: Window, num_known: int | None = None) -> int:
    """Users with a history item before the window and, whatever counts as success, any event with a new item in it."""
    with_history_U = np.diff(histories_before(dataset, window.start, num_known).indptr) > 0
    return int((with_history_U & (new_items_in(dataset, window, ANY_BUT_DISLIKE).lengths() > 0)).sum())
