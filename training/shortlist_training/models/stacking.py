"""A later window, stacked on sources that were fitted before it: what a ranker learns from without leakage.

B users, C candidates, S sources.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.queries import Queries, Split
from shortlist_training.funnel import Funnel
from shortlist_training.models.family import Model, VectorSpace
from shortlist_training.sources.kinds import Retrieved


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """The users of a split, their candidates and the raw scores of all sources, which never saw what they then took.

    Attributes:
        lists: what each source retrieved, by its name.
        fused: scores (B, C) and rows (B, C) after `fuse`: the candidates.
        scores_BCS: the raw score of every source for every candidate.
        weights: of the sources in `fuse`.
        spaces: the vector spaces of the models, by name.
    """

    split: Split
    lists: Mapping[str, Retrieved]
    fused: Retrieved
    scores_BCS: NDArray[np.float32]
    weights: Sequence[float]
    spaces: Mapping[str, VectorSpace]

    def __len__(self) -> int:
        return len(self.split.task)

    @property
    def queries(self) -> Queries:
        """The users."""
        return self.split.task.queries

    @property
    def rows_BC(self) -> NDArray[np.int64]:
        """The candidates, -1 where there is none."""
        return self.fused[1]


def stack(split: Split, funnel: Funnel, models: Sequence[Model], lists: Mapping[str, Retrieved]) -> Stacked:
    """Fuse and score what the sources, those of `models`, retrieved for the users of a split behind their data."""
    fused = funnel.fuse(lists)
    scores_BCS = funnel.scores(split.task.queries, fused[1])
    spaces = {name: space for model in models for name, space in model.spaces().items()}
    return Stacked(split, lists, fused, scores_BCS, funnel.weights, spaces)
