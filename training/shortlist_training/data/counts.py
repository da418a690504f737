"""How often items were taken, old events counting less.

N items.
"""

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.dataset import DISLIKE, Dataset


def decayed_counts(dataset: Dataset, half_life_days: float) -> NDArray[np.float64]:
    """float64 (N,): the sum over an item's events, dislikes aside, of 0.5 ** (age / half-life); infinity: all alike."""
    kept = dataset.types != DISLIKE
    ages_s = dataset.as_of - dataset.timestamps[kept]
    weights = np.exp2(-ages_s / (half_life_days * 86_400))
    return np.bincount(dataset.rows[kept], weights=weights, minlength=dataset.num_items).astype(np.float64)
