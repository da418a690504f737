"""Events to training examples: what a user had before a basket, and the new items in that basket.

Events of one user at one time are a basket; their order inside it is arbitrary, so none of them predicts another.
X examples, L history positions, T targets, N items.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.dataset import DISLIKE, Dataset
from shortlist_training.data.histories import Histories
from shortlist_training.errors import InputError


class Numbering(NamedTuple):
    """What the towers call an item: its number, in the order of first events; rows follow the ids, which say nothing.

    Weights are drawn, batches summed and ties broken by number: with rows, other ids would give another model.
    rows_N: the row of each number; numbers_N: the number of each row.
    """

    rows_N: NDArray[np.int64]
    numbers_N: NDArray[np.int64]
    num_known: int


def number_items(train: Dataset, before: Numbering | None) -> Numbering:
    """Items in the order of their first events, those of `before` first; then those without events, by row."""
    rows = np.concatenate((before.rows_N[: before.num_known] if before else np.empty(0, np.int64), train.rows))
    _, first = np.unique(rows, return_index=True)
    known = rows[np.sort(first)].astype(np.int64)
    unknown = np.setdiff1d(np.arange(train.num_items), known)
    rows_N = np.concatenate((known, unknown))
    return Numbering(rows_N, np.argsort(rows_N), len(known))


def history_numbers(histories: Histories, numbering: Numbering, max_history: int) -> NDArray[np.int64]:
    """int64 (B, L): number + 1 of the last items of each history, left-padded with 0."""
    last = histories.last(max_history)
    lengths = last.lengths()
    numbers_BL = np.zeros((len(lengths), max_history), np.int64)
    places_H = max_history - np.repeat(last.indptr[1:], lengths) + np.arange(len(last.rows))
    numbers_BL[np.repeat(np.arange(len(lengths)), lengths), places_H] = numbering.numbers_N[last.rows] + 1
    return numbers_BL


class Examples(NamedTuple):
    """Histories int32 (X, L), number + 1, left-padded with 0; targets int32 (X, T), padded with -1; times (X,)."""

    histories_XL: NDArray[np.int32]
    targets_XT: NDArray[np.int32]
    times_X: NDArray[np.int64]


def build_examples(
    train: Dataset, numbers_N: NDArray[np.int64], *, max_history: int, max_targets: int, max_examples: int
) -> Examples:
    """One example per basket that has a history and a new target item; the latest `max_examples`.

    Raises:
        InputError: there is none, because no user comes back.
    """
    collected = list(_baskets(train, numbers_N, max_history, max_targets))
    if not collected:
        raise InputError(
            f"{train.description.name}: no user comes back before {train.as_of}: nothing to learn a sequence from"
        )
    times_X = np.array([time for _, _, time in collected], dtype=np.int64)
    latest = np.sort(np.argsort(-times_X, kind="stable")[:max_examples])
    histories_XL = np.zeros((len(latest), max_history), dtype=np.int32)
    targets_XT = np.full((len(latest), max_targets), -1, dtype=np.int32)
    for row, position in enumerate(latest):
        history, targets, _ = collected[position]
        histories_XL[row, max_history - len(history) :] = np.array(history, dtype=np.int32) + 1
        targets_XT[row, : len(targets)] = targets
    return Examples(histories_XL, targets_XT, times_X[latest])


def _baskets(
    train: Dataset, numbers_N: NDArray[np.int64], max_history: int, max_targets: int
) -> Iterator[tuple[list[int], list[int], int]]:
    kept = np.flatnonzero(train.types != DISLIKE)
    kept = kept[np.argsort(train.users[kept], kind="stable")]
    is_target = np.isin(train.types[kept], train.target_types).tolist()
    users, times = train.users[kept].tolist(), train.timestamps[kept].tolist()
    numbers = numbers_N[train.rows[kept]].tolist()
    events = zip(users, times, numbers, is_target, strict=True)
    for _, of_user in itertools.groupby(events, key=lambda event: event[0]):
        # Insertion order of a dict = order of the last interaction, as in the histories of the funnel.
        history: dict[int, None] = {}
        for time, basket in itertools.groupby(of_user, key=lambda event: event[1]):
            bought = [(number, wanted) for _, _, number, wanted in basket]
            targets = list(dict.fromkeys(number for number, wanted in bought if wanted and number not in history))
            if history and targets:
                latest = list(itertools.islice(reversed(history), max_history))[::-1]
                yield latest, _spread(targets, max_targets), time
            for number, _ in bought:
                history.pop(number, None)
                history[number] = None


def _spread(targets: list[int], limit: int) -> list[int]:
    """At most `limit` targets, evenly spaced: the first ones of a long basket would be no fair sample."""
    if len(targets) <= limit:
        return targets
    return [targets[i * len(targets) // limit] for i in range(limit)]
