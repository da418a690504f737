"""Time-decayed popularity: `fit` counts, `choose_half_life` picks the decay on validation."""

from shortlist_training.models.popular.model import Popular, choose_half_life, decayed_counts, fit

__all__ = ["Popular", "choose_half_life", "decayed_counts", "fit"]
