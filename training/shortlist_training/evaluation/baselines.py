"""What every report compares with, fitted for the report alone on the data before the test split.

N items.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from shortlist_training.data.counts import decayed_counts
from shortlist_training.data.dataset import Dataset
from shortlist_training.sources.kinds import ItemScores, Kind

_RECENT_SHARE: Final = 1 / 9
"""Of the time before the test split: as long as the test period of global_time."""


def baselines(train: Dataset, num_items: int) -> Mapping[str, Kind]:
    """By name, over the first `num_items` items: how often each was taken lately."""
    recent = train.between(train.as_of - int(train.span_s * _RECENT_SHARE), train.as_of)
    counts_N = decayed_counts(recent, np.inf)[:num_items]
    return {"recent_popular": ItemScores(counts_N.astype(np.float32))}
