"""Two towers: a user tower over the history, an item tower over id and text; their inner product is the score.

| module | what it does |
|---|---|
| `text` | titles to padded, TF-IDF weighted ids of hashed words and word pieces |
| `examples` | events to (history, targets, weight) |
| `towers` | the two towers, and the form of the user tower that is exported |
| `training` | the softmax loss, full or sampled with logQ correction, as a LightningModule |
| `model` | `fit` and the `TwoTower` source |
"""

from shortlist_training.models.two_tower.model import FittedTowers, TwoTower, fit

__all__ = ["FittedTowers", "TwoTower", "fit"]
