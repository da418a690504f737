"""Item-based collaborative filtering on `shortlist_kernels.neighbours`.

| module | what it does |
|---|---|
| `settings` | neighbours, weights, shrinkage, decay |
| `model` | similarities of items, and the matrix that a package holds |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shortlist_training.models.item_neighbours.settings import ItemNeighboursSettings

if TYPE_CHECKING:
    from shortlist_training.data.dataset import Dataset
    from shortlist_training.data.queries import Split
    from shortlist_training.models.family import Run
    from shortlist_training.models.item_neighbours.model import ItemNeighbours


class ItemNeighboursFamily:
    """The family `item_neighbours`."""

    name = "item_neighbours"
    settings = ItemNeighboursSettings
    needs = frozenset[str]()

    def fit(
        self, train: Dataset, settings: ItemNeighboursSettings, run: Run, validation: Split | None
    ) -> ItemNeighbours:
        """Compare the items; nothing is learned from `validation`."""
        from shortlist_training.models.item_neighbours.model import fit

        return fit(train, settings, run)


FAMILY = ItemNeighboursFamily()
