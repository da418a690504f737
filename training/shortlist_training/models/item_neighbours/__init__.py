"""Item-based collaborative filtering on `shortlist_kernels.neighbours`; its settings are chosen on validation."""

from shortlist_training.models.item_neighbours.model import Choice, ItemNeighbours, choose, fit

__all__ = ["Choice", "ItemNeighbours", "choose", "fit"]
