"""Two towers: a user tower over the history, an item tower over id and text; their inner product is the score.

| module | what it does |
|---|---|
| `settings` | sizes, rates, epochs |
| `text` | titles to padded, TF-IDF weighted ids of hashed words and word pieces |
| `batches` | events to (history, targets, weight); the numbers that items have inside |
| `network` | the two towers, and the form of the user tower that is exported |
| `training` | the softmax loss, full or sampled with logQ correction, as a LightningModule |
| `model` | the fit, the source and its export |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shortlist_training.models.two_tower.settings import TwoTowerSettings

if TYPE_CHECKING:
    from shortlist_training.data.dataset import Dataset
    from shortlist_training.data.queries import Split
    from shortlist_training.models.family import Run
    from shortlist_training.models.two_tower.model import TwoTower


class TwoTowerFamily:
    """The family `two_tower`."""

    name = "two_tower"
    settings = TwoTowerSettings
    needs = frozenset({"time"})

    def fit(self, train: Dataset, settings: TwoTowerSettings, run: Run, validation: Split | None) -> TwoTower:
        """Train both towers, stopping early on `validation`; without it, go on from `run.previous`."""
        from shortlist_training.models.two_tower.model import fit

        return fit(train, settings, run, validation)


FAMILY = TwoTowerFamily()
