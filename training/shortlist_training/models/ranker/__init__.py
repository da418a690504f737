"""The ranker: a candidate attends over the history; the scores of all sources stand beside it; one calibrated head.

| module | what it does |
|---|---|
| `features` | what is known about each item at a cut: vectors, texts, sales rates |
| `attention` | the graph from features to a logit, and the form that is exported |
| `stacked` | a later window with candidates, scores and labels |
| `training` | listwise and pointwise loss over later windows, as a LightningModule; the calibration |
| `model` | `fit` and the `Ranker` |
"""

from shortlist_training.models.ranker.features import ItemTables, item_tables
from shortlist_training.models.ranker.model import Ranker, fit
from shortlist_training.models.ranker.stacked import Stacked, stack

__all__ = ["ItemTables", "Ranker", "Stacked", "fit", "item_tables", "stack"]
