"""Users as the funnel sees them at one moment, and what they should get.

B users, H history entries of all of them, E events, N items.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.manifest_pb2 import HistoryWeights
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import Histories, Lists, histories_of, new_items, seen_items

SECONDS_PER_DAY = 86_400

WeightedHistory = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """The histories of B users, what each has seen (and so must not be offered), and when each one asks.

    now_B: int64 seconds; no model may use it but through what the contract calls context.
    """

    histories: Histories
    seen: Lists
    now_B: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.now_B)

    @property
    def with_history_B(self) -> NDArray[np.bool_]:
        """False for a user of whom nothing is known."""
        return self.histories.lengths() > 0

    @property
    def exclude(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The seen items as the kernels take them."""
        return self.seen.indptr, self.seen.rows.astype(np.int64)

    def take(self, users: NDArray[np.int64]) -> "Queries":
        """The users at these positions."""
        return Queries(self.histories.take(users), self.seen.take(users), self.now_B[users])

    def parts(self, size: int) -> Iterator["Queries"]:
        """All users in order, at most `size` at a time; one empty part where there is nobody."""
        for start in range(0, max(1, len(self)), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def weighted(self, weights: HistoryWeights) -> WeightedHistory:
        """(indptr, rows, weights) of the histories, oldest first, as `HistoryWeights` of the manifest defines them."""
        last = self.histories.last(weights.max_items)
        lengths = last.lengths()
        ends_H = np.repeat(last.indptr[1:], lengths)
        weights_H = np.ones(len(last.rows))
        if weights.HasField("decay_per_step"):
            weights_H *= np.power(weights.decay_per_step, ends_H - 1 - np.arange(len(last.rows)))
        if weights.HasField("half_life_days"):
            ages_H = (last.timestamps[ends_H - 1] - last.timestamps) / SECONDS_PER_DAY
            weights_H *= np.exp2(-ages_H / weights.half_life_days)
        if weights.normalise:
            owners_H = np.repeat(np.arange(len(self)), lengths)
            weights_H /= np.bincount(owners_H, weights_H, minlength=len(self))[owners_H]
        return last.indptr.astype(np.int64), last.rows.astype(np.int32), weights_H.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Users and the new items that they took afterwards."""

    queries: Queries
    targets: Lists

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, users: NDArray[np.int64]) -> "Task":
        """The users at these positions."""
        return Task(self.queries.take(users), self.targets.take(users))


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What may be learned from, and the users to whom the result is shown; `train` holds nothing of their answers."""

    name: str
    train: Dataset
    task: Task


def queries_of(dataset: Dataset, users: NDArray[np.int64], num_known: int | None = None) -> Queries:
    """These users with everything that they did; with `num_known`, rows from there on are unknown to the catalogue."""
    histories = histories_of(dataset, num_known).take(users)
    now_B = np.full(len(users), dataset.as_of, np.int64)
    return Queries(histories, seen_items(dataset, num_known).take(users), now_B)


def task_of(
    past: Dataset,
    future: Dataset,
    *,
    max_users: int | None = None,
    seed: int = 0,
    num_known: int | None = None,
) -> Task:
    """Users with a history item in `past` and a new target item in `future`, by position.

    With `max_users` at most so many of them, drawn with `seed`. With `num_known`, rows from there on cannot be offered:
    they stand in no history, but they stay targets, which are missed.
    """
    targets = new_items(past, future, past.target_types)
    with_history_U = histories_of(past, num_known).lengths() > 0
    users = np.flatnonzero(with_history_U & (targets.lengths() > 0))
    if max_users is not None and max_users < len(users):
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
    return Task(queries_of(past, users, num_known), targets.take(users))


def sample_queries(dataset: Dataset, max_users: int, seed: int) -> Queries:
    """At most so many users with a history, drawn with the seed."""
    users = np.flatnonzero(histories_of(dataset).lengths() > 0)
    return queries_of(dataset, np.random.default_rng(seed).permutation(users)[:max_users])
