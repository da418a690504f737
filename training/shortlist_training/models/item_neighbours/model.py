"""Item kNN: items are alike when the same users took both; a candidate is worth its likeness to the history.

The matrix holds, for each user and distinct item, n ** -user_exponent x 0.5 ** (age / half-life), n being the user's
number of items. N items, B queries, K results, M candidates.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import Csr, neighbours, score_neighbours, search_neighbours
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import histories_before
from shortlist_training.data.queries import Queries, Task
from shortlist_training.metrics import mean_ndcg
from shortlist_training.package import Draft
from shortlist_training.recipes import ItemNeighboursSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What validation chose from the grid of the settings."""

    half_life_s: float
    shrinkage: float
    history_decay: float


@dataclass(frozen=True, slots=True, eq=False)
class ItemNeighbours:
    """The `item_neighbours` source: row h of `similarities` holds the neighbours of item h, without itself."""

    similarities: Csr
    history_decay: float
    name: str = "item_neighbours"
    needs_history: bool = True

    def retrieve(
        self, queries: Queries, k: int, allowed_N: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The unseen neighbours of the history with the largest sums."""
        history = queries.weighted_history(self.history_decay)
        return search_neighbours(self.similarities, history, k, mask=allowed_N, exclude=queries.exclude)

    def score(self, queries: Queries, rows_BM: NDArray[np.int64]) -> NDArray[np.float32]:
        """The summed similarity of every candidate to the history."""
        return score_neighbours(self.similarities, queries.weighted_history(self.history_decay), rows_BM)

    def export(self, draft: Draft) -> dict[str, object]:
        """Write the neighbours as CSR arrays."""
        draft.add_neighbours(self.name, self.similarities)
        return {
            "name": self.name,
            "type": "item_neighbours",
            "neighbours": self.name,
            "history_decay": self.history_decay,
        }


def fit(dataset: Dataset, cut: int, settings: ItemNeighboursSettings, choice: Choice) -> ItemNeighbours:
    """Neighbours from the events before `cut`."""
    similarities = _similarities(dataset, cut, settings, choice.half_life_s, choice.shrinkage)
    return ItemNeighbours(similarities, choice.history_decay)


def choose(
    dataset: Dataset, task: Task, span_s: int, settings: ItemNeighboursSettings, cutoff: int
) -> tuple[Choice, ItemNeighbours]:
    """The grid's best choice by NDCG in the task's window, and the model of that choice, fitted before the window."""
    everything = np.ones(dataset.num_items, dtype=np.bool_)
    best: tuple[float, Choice, ItemNeighbours] | None = None
    for share, shrinkage in itertools.product(settings.half_life_shares, settings.shrinkages):
        half_life_s = max(1.0, share * span_s)
        similarities = _similarities(dataset, task.window.start, settings, half_life_s, shrinkage)
        for decay in settings.history_decays:
            model = ItemNeighbours(similarities, decay)
            _, rows_BK = model.retrieve(task.queries, cutoff, everything)
            quality = mean_ndcg(rows_BK, task.targets, cutoff)
            if best is None or quality > best[0]:
                choice = Choice(half_life_s=half_life_s, shrinkage=shrinkage, history_decay=decay)
                best = (quality, choice, model)
    assert best is not None
    return best[1], best[2]


def _similarities(
    dataset: Dataset, cut: int, settings: ItemNeighboursSettings, half_life_s: float, shrinkage: float
) -> Csr:
    histories = histories_before(dataset, cut)
    lengths = np.diff(histories.indptr)
    user_weights = np.maximum(lengths, 1) ** -settings.user_exponent
    weights = np.repeat(user_weights, lengths) * np.exp2((histories.timestamps - cut) / half_life_s)
    # In units of a typical interaction, so that the shrinkage means the same for any user exponent and half-life.
    weights /= np.sqrt(np.mean(weights**2))
    matrix = Csr(
        histories.indptr.astype(np.int64),
        histories.rows.astype(np.int32),
        weights.astype(np.float32),
        (dataset.num_users, dataset.num_items),
    )
    return neighbours(matrix, settings.num_neighbours, similarity="cosine", shrinkage=shrinkage)
