"""A later window, stacked on sources that were fitted before it: what the ranker learns from without leakage.

B users, L history positions, C candidates, S sources.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shortlist_training.data.histories import Lists
from shortlist_training.data.queries import Task
from shortlist_training.metrics import hits
from shortlist_training.models.ranker.attention import RankerGraph
from shortlist_training.models.ranker.features import ItemTables


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """Users of a window with their candidates (row + 1, 0 = padding), all sources' scores, and what they then took."""

    history_items_BL: Tensor
    recency_days_BL: Tensor
    candidates_BC: Tensor
    scores_BCS: Tensor
    labels_BC: Tensor
    targets: Lists
    tables: ItemTables

    def __len__(self) -> int:
        return len(self.candidates_BC)

    def logits(self, graph: RankerGraph, positions_B: Tensor, columns_BC: Tensor | None = None) -> Tensor:
        """The graph's logits of these users, for all candidates or those in the given columns."""
        return _call(graph.forward, self, positions_B, columns_BC)

    def inputs(self, graph: RankerGraph, positions_B: Tensor) -> Tensor:
        """The graph's inputs (candidates that are not padding, X) of these users."""
        inputs_BCX = _call(graph.inputs, self, positions_B, None)
        return inputs_BCX[self.candidates_BC[positions_B] > 0]


def stack(task: Task, rows_BC: NDArray[np.int64], scores_BCS: NDArray[np.float32], tables: ItemTables) -> Stacked:
    """Label the candidates `rows_BC` (-1 = padding) of a task's users."""
    return Stacked(
        torch.from_numpy(task.queries.history_items_BL),
        torch.from_numpy(task.queries.history_recency_BL),
        torch.from_numpy(rows_BC + 1),
        torch.from_numpy(scores_BCS),
        torch.from_numpy(hits(rows_BC, task.targets).astype(np.float32)),
        task.targets,
        tables,
    )


def _call(function: object, window: Stacked, positions_B: Tensor, columns_BC: Tensor | None) -> Tensor:
    candidates_BC, scores_BCS = window.candidates_BC[positions_B], window.scores_BCS[positions_B]
    if columns_BC is not None:
        candidates_BC = candidates_BC.gather(1, columns_BC)
        scores_BCS = scores_BCS.gather(1, columns_BC.unsqueeze(-1).expand(-1, -1, scores_BCS.shape[2]))
    assert callable(function)
    result: Tensor = function(
        window.history_items_BL[positions_B],
        window.recency_days_BL[positions_B],
        candidates_BC,
        scores_BCS,
        window.tables,
    )
    return result
