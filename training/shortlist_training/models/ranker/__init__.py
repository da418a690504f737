"""The ranker: a candidate attends over the history; the scores of all sources stand beside it; one calibrated head.

| module | what it does |
|---|---|
| `settings` | spaces, sales rates, sizes, the loss |
| `network` | the graph from features to a logit, and the form that is exported |
| `windows` | a stacked window as tensors: histories, candidates, what is known of items then |
| `training` | listwise and pointwise loss over later windows, as a LightningModule |
| `calibration` | logits to probabilities, and how far these are off |
| `model` | the fit and the export |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shortlist_training.models.ranker.settings import RankerSettings

if TYPE_CHECKING:
    from shortlist_training.models.family import Run
    from shortlist_training.models.ranker.model import Ranker
    from shortlist_training.models.stacking import Stacked


class RankerFamily:
    """The family `ranker`."""

    name = "ranker"
    settings = RankerSettings
    needs = frozenset({"time"})

    def fit(self, stacks: Sequence[Stacked], settings: RankerSettings, run: Run, calibration: Stacked) -> Ranker:
        """Learn from `stacks`, calibrate on `calibration`."""
        from shortlist_training.models.ranker.model import fit

        return fit(stacks, settings, run, calibration)


FAMILY = RankerFamily()
