"""What the ranker knows of each item at a cut.

N items, D dimensions, F item features. Row 0 of each table is padding, as in `history.items`. The tables are exchanged
at every cut while the ranker's weights stay, so it uses only what does not depend on the basis of the vectors: cosines.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from shortlist_training.data.dataset import Dataset
from shortlist_training.models.popular import decayed_counts

# Half-lives of the sales rates, in windows: what sells this week, this month, this season.
_RATE_HALF_LIVES = (0.25, 1.0, 4.0)
NUM_ITEM_FEATURES = len(_RATE_HALF_LIVES)


@dataclass(frozen=True, slots=True, eq=False)
class ItemTables:
    """Unit vectors of the item tower without the bias (N + 1, D - 1), of the texts (N + 1, D), features (N + 1, F)."""

    vectors_ND: Tensor
    texts_ND: Tensor
    features_NF: Tensor


def item_tables(
    dataset: Dataset, cut: int, window_s: int, vectors_ND: NDArray[np.float32], texts_ND: NDArray[np.float32]
) -> ItemTables:
    """The tables at `cut`; an item without text, or without events, has zeros or the smallest rate."""
    rates = []
    for half_life in _RATE_HALF_LIVES:
        counts_N = decayed_counts(dataset, cut, max(1.0, half_life * window_s))
        # Relative to the mean item, so that the size of the shop does not matter.
        rates.append(np.log(counts_N / max(1e-9, float(counts_N.mean())) + 0.1))
    features_NF = np.stack(rates, axis=1).astype(np.float32)
    return ItemTables(
        _padded_unit(vectors_ND[:, :-1]),
        _padded_unit(texts_ND),
        functional.pad(torch.from_numpy(features_NF), (0, 0, 1, 0)),
    )


def _padded_unit(vectors_ND: NDArray[np.float32]) -> Tensor:
    unit_ND = functional.normalize(torch.from_numpy(np.ascontiguousarray(vectors_ND)), dim=1)
    return functional.pad(unit_ND, (0, 0, 1, 0))
