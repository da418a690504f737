"""Events to training examples: what a user had before a basket, and the new items in that basket.

Events of one user at one time are a basket; their order inside it is arbitrary, so none of them predicts another.
X examples, L history positions, T targets.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.dataset import DISLIKE, Dataset
from shortlist_training.errors import InputError


class Examples(NamedTuple):
    """Histories int32 (X, L), row + 1, left-padded with 0; targets int32 (X, T), rows, padded with -1; times (X,)."""

    histories_XL: NDArray[np.int32]
    targets_XT: NDArray[np.int32]
    times_X: NDArray[np.int64]


def build_examples(dataset: Dataset, cut: int, *, max_history: int, max_targets: int, max_examples: int) -> Examples:
    """One example per basket before `cut` that has a history and a new target item; the latest `max_examples`.

    Raises:
        InputError: there is none, because no user comes back before the cut.
    """
    collected = list(_baskets(dataset, cut, max_history, max_targets))
    if not collected:
        raise InputError(
            f"{dataset.description.name}: no user comes back before {cut}: nothing to learn a sequence from"
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
    dataset: Dataset, cut: int, max_history: int, max_targets: int
) -> Iterator[tuple[list[int], list[int], int]]:
    until = dataset.until(cut)
    kept = np.flatnonzero(dataset.types[:until] != DISLIKE)
    kept = kept[np.argsort(dataset.users[kept], kind="stable")]
    is_target = np.isin(dataset.types[kept], dataset.target_types).tolist()
    users, rows, times = (column[kept].tolist() for column in (dataset.users, dataset.rows, dataset.timestamps))
    events = zip(users, times, rows, is_target, strict=True)
    for _, of_user in itertools.groupby(events, key=lambda event: event[0]):
        # Insertion order of a dict = order of the last interaction, as in the histories of the funnel.
        history: dict[int, None] = {}
        for time, basket in itertools.groupby(of_user, key=lambda event: event[1]):
            bought = [(row, wanted) for _, _, row, wanted in basket]
            targets = list(dict.fromkeys(row for row, wanted in bought if wanted and row not in history))
            if history and targets:
                latest = list(itertools.islice(reversed(history), max_history))[::-1]
                yield latest, _spread(targets, max_targets), time
            for row, _ in bought:
                history.pop(row, None)
                history[row] = None


def _spread(targets: list[int], limit: int) -> list[int]:
    """At most `limit` targets, evenly spaced: the first ones of a long basket would be no fair sample."""
    if len(targets) <= limit:
        return targets
    return [targets[i * len(targets) // limit] for i in range(limit)]
