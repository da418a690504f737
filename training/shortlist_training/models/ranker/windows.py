"""A stacked window as tensors: the users, their candidates and labels, and what is known of the items at its start.

B users, L history positions, C candidates, S sources, P spaces, D dimensions, N items, F sales rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from shortlist.v1 import manifest_pb2 as manifest
from shortlist_training.data.counts import decayed_counts
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import Lists
from shortlist_training.evaluation.metrics import hits
from shortlist_training.models.ranker.network import Inputs, RankerNetwork
from shortlist_training.models.ranker.settings import RankerSettings
from shortlist_training.models.stacking import Stacked
from shortlist_training.sources.features import ItemTables, build_features

_RATE_FLOOR: Final = 0.1  # of the mean item's rate: what sells less than a tenth of it is all the same


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Users with their candidates (row + 1, 0 = padding), all sources' scores, and what they then took.

    vectors: of each space, (N + 1, D), row 0 being padding; rates_NF likewise.
    """

    history_items_BL: Tensor
    recency_days_BL: Tensor
    candidates_BC: Tensor
    scores_BCS: Tensor
    labels_BC: Tensor
    targets: Lists
    vectors: Sequence[Tensor]
    rates_NF: Tensor

    def __len__(self) -> int:
        return len(self.candidates_BC)

    def logits(self, network: RankerNetwork, users_B: Tensor, columns_BC: Tensor | None = None) -> Tensor:
        """The network's logits of these users, for all candidates or those in the given columns."""
        return network.forward(self._inputs(users_B, columns_BC))

    def inputs(self, network: RankerNetwork, users_B: Tensor) -> Tensor:
        """The perceptron's inputs (candidates that are not padding, X) of these users."""
        inputs_BCX = network.inputs(self._inputs(users_B, None))
        return inputs_BCX[self.candidates_BC[users_B] > 0]

    def _inputs(self, users_B: Tensor, columns_BC: Tensor | None) -> Inputs:
        candidates_BC, scores_BCS = self.candidates_BC[users_B], self.scores_BCS[users_B]
        if columns_BC is not None:
            candidates_BC = candidates_BC.gather(1, columns_BC)
            scores_BCS = scores_BCS.gather(1, columns_BC.unsqueeze(-1).expand(-1, -1, scores_BCS.shape[2]))
        items_BL = self.history_items_BL[users_B]
        return Inputs(
            items_BL,
            self.recency_days_BL[users_B],
            [functional.embedding(items_BL, table_ND) for table_ND in self.vectors],
            [functional.embedding(candidates_BC, table_ND) for table_ND in self.vectors],
            functional.embedding(candidates_BC, self.rates_NF).unbind(-1),
            scores_BCS,
        )


def window_of(stacked: Stacked, settings: RankerSettings, spaces: Sequence[str]) -> Window:
    """The stack as tensors, its candidates labelled by what the users took."""
    history = manifest.Graph(
        inputs=[
            manifest.GraphInput(name="items", feature="history.items"),
            manifest.GraphInput(name="ages", feature="history.recency_days"),
        ],
        max_history=settings.max_history,
    )
    features = build_features(history, stacked.queries, ItemTables())
    rates = sales_rates(stacked.split.train, settings.rate_half_lives_days)
    rates_NF = torch.from_numpy(np.array(rates, np.float32).reshape(-1, stacked.split.train.num_items).T.copy())
    targets = stacked.split.task.targets
    return Window(
        torch.from_numpy(features["items"]),
        torch.from_numpy(features["ages"]),
        torch.from_numpy(stacked.rows_BC + 1),
        torch.from_numpy(stacked.scores_BCS),
        torch.from_numpy(hits(stacked.rows_BC, targets).astype(np.float32)),
        targets,
        [_padded(torch.from_numpy(stacked.spaces[name].index.snapshot()[1])) for name in spaces],
        _padded(rates_NF),
    )


def sales_rates(train: Dataset, half_lives_days: Sequence[float]) -> list[NDArray[np.float64]]:
    """float64 (N,) for each half-life: the log of an item's decayed events, against those of the mean item."""
    counts = [decayed_counts(train, half_life) for half_life in half_lives_days]
    # Relative to the mean item, so that the size of the shop does not matter.
    return [np.log(counts_N / max(1e-9, float(counts_N.mean())) + _RATE_FLOOR) for counts_N in counts]


def _padded(table_ND: Tensor) -> Tensor:
    return functional.pad(table_ND, (0, 0, 1, 0))
