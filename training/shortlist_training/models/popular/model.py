"""Decayed counts as a source of kind item_scores.

N items.
"""

import math
from dataclasses import dataclass

import numpy as np

from shortlist.v1 import manifest_pb2 as manifest
from shortlist_training.data.counts import decayed_counts
from shortlist_training.data.dataset import Dataset
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Model, Run, plain
from shortlist_training.models.popular.settings import PopularSettings
from shortlist_training.sources.kinds import ItemScores


@dataclass(frozen=True, slots=True, eq=False)
class Popular(Model):
    """The counts of one moment."""

    name: str
    source: ItemScores
    settings: PopularSettings

    def export(self, draft: ModelDraft) -> manifest.Source:
        """Write the scores."""
        draft.add_scores(self.name, self.source.scores_N)
        return manifest.Source(name=self.name, item_scores=manifest.ItemScores())

    def describe(self) -> dict[str, object]:
        """The settings; nothing else is learned."""
        return {"settings": plain(self.settings)}


def fit(train: Dataset, settings: PopularSettings, run: Run) -> Popular:
    """Count the events."""
    half_life_days = math.inf if settings.half_life_days is None else settings.half_life_days
    scores_N = decayed_counts(train, half_life_days).astype(np.float32)
    return Popular(run.name, ItemScores(scores_N), settings)
