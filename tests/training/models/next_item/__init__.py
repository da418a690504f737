"""A family that exists only in the tests: what followed an item in the histories of others (a Markov chain).

Everything that the product needs of it stands here; `recipe` is what `shortlist train --recipe` is given.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.sparse import csr_matrix

from shortlist.package.arrays import Sparse
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_kernels import Csr
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import histories_of
from shortlist_training.data.queries import Split
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Model, Run, plain
from shortlist_training.recipes import Part, Recipe, Shape
from shortlist_training.sources.kinds import ItemMatrix


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NextItemSettings:
    """smoothing: added to the number of times that an item was followed by any."""

    smoothing: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NextItem(Model):
    name: str
    source: ItemMatrix
    settings: NextItemSettings

    def export(self, draft: ModelDraft) -> manifest.Source:
        draft.add_matrix(self.name, Sparse(*self.source.matrix[:3]))
        return manifest.Source(name=self.name, item_matrix=manifest.ItemMatrix(history=self.source.weights))

    def describe(self) -> dict[str, object]:
        return {"settings": plain(self.settings)}


class NextItemFamily:
    name = "next_item"
    settings = NextItemSettings
    needs = frozenset({"time"})

    def fit(self, train: Dataset, settings: NextItemSettings, run: Run, validation: Split | None) -> NextItem:
        histories = histories_of(train)
        pairs = np.setdiff1d(np.arange(1, len(histories.rows)), histories.indptr)
        before, after = histories.rows[pairs - 1], histories.rows[pairs]
        counts = csr_matrix((np.ones(len(pairs)), (before, after)), shape=(train.num_items, train.num_items))
        counts.sum_duplicates()
        followed = np.asarray(counts.sum(axis=1)).ravel() + settings.smoothing
        data = (counts.data / np.repeat(followed, np.diff(counts.indptr))).astype(np.float32)
        matrix = Csr(counts.indptr.astype(np.int64), counts.indices.astype(np.int32), data, counts.shape)
        return NextItem(run.name, ItemMatrix(matrix, manifest.HistoryWeights(max_items=1)), settings)


FAMILY = NextItemFamily()


def recipe(shape: Shape) -> Recipe:
    """The family twice, under two names and settings, and nothing else."""
    return Recipe(
        name="next_item",
        sources=(
            Part(name="next", family=__name__, settings=NextItemSettings()),
            Part(name="smooth", family=__name__, settings=NextItemSettings(), grid={"smoothing": (5.0, 20.0)}),
        ),
    )
