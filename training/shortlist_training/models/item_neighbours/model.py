"""Item kNN: items are alike when the same users took both; a candidate is worth its similarity to the history.

The matrix holds, for each user and distinct item, n ** -user_exponent x 0.5 ** (age / half-life), n being the user's
number of items. N items.
"""

from dataclasses import dataclass, replace

import numpy as np

from shortlist.package.arrays import Sparse
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_kernels import Csr, neighbours
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import histories_of
from shortlist_training.data.queries import SECONDS_PER_DAY
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Model, Run, plain
from shortlist_training.models.item_neighbours.settings import ItemNeighboursSettings
from shortlist_training.sources.kinds import ItemMatrix


@dataclass(frozen=True, slots=True, eq=False)
class ItemNeighbours(Model):
    """Row h of the source's matrix holds the neighbours of item h, without itself."""

    name: str
    source: ItemMatrix
    settings: ItemNeighboursSettings
    train: Dataset

    def export(self, draft: ModelDraft) -> manifest.Source:
        """Write the matrix."""
        matrix = self.source.matrix
        draft.add_matrix(self.name, Sparse(matrix.indptr, matrix.indices, matrix.data))
        return manifest.Source(name=self.name, item_matrix=manifest.ItemMatrix(history=self.source.weights))

    def describe(self) -> dict[str, object]:
        """The settings, and how many similarities there are."""
        return {"settings": plain(self.settings), "num_entries": len(self.source.matrix.data)}


def fit(train: Dataset, settings: ItemNeighboursSettings, run: Run) -> ItemNeighbours:
    """The neighbours of every item; a previous model of the same matrix lends it, as a grid over the decay does."""
    weights = manifest.HistoryWeights(max_items=settings.max_history, decay_per_step=settings.history_decay)
    matrix = _lent(run.previous, train, settings)
    if matrix is None:
        matrix = _similarities(train, settings, run.num_threads)
    return ItemNeighbours(run.name, ItemMatrix(matrix, weights), settings, train)


def _lent(before: Model | None, train: Dataset, settings: ItemNeighboursSettings) -> Csr | None:
    """The matrix of a model on the same data whose settings differ only in how a history is weighted."""
    if not isinstance(before, ItemNeighbours) or before.train is not train:
        return None
    same = replace(before.settings, history_decay=settings.history_decay, max_history=settings.max_history)
    return before.source.matrix if same == settings else None


def _similarities(train: Dataset, settings: ItemNeighboursSettings, num_threads: int) -> Csr:
    histories = histories_of(train)
    lengths = histories.lengths()
    weights = np.repeat(np.maximum(lengths, 1) ** -settings.user_exponent, lengths)
    if settings.half_life_days is not None:
        ages_s = train.as_of - histories.timestamps
        weights *= np.exp2(-ages_s / max(1.0, settings.half_life_days * SECONDS_PER_DAY))
    if len(weights):
        # In units of a typical interaction, so that the shrinkage means the same for any exponent and half-life.
        weights /= np.sqrt(np.mean(weights**2))
    matrix = Csr(
        histories.indptr.astype(np.int64),
        histories.rows.astype(np.int32),
        weights.astype(np.float32),
        (train.num_users, train.num_items),
    )
    shrinkage = settings.shrinkage
    return neighbours(matrix, settings.num_neighbours, "cosine", shrinkage=shrinkage, num_threads=num_threads)
