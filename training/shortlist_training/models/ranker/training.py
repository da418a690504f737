"""The loss of the ranker, its validation and its calibration.

B users, C candidates, S sources.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from shortlist_training.loop import EpochBatches, Schedule, Training
from shortlist_training.metrics import mean_ndcg
from shortlist_training.models.ranker.attention import RankerGraph
from shortlist_training.models.ranker.stacked import Stacked
from shortlist_training.recipes import Recipe


class RankerTraining(Training):
    """Softmax over a user's candidates against each other, plus cross entropy of each by itself."""

    def __init__(
        self,
        graph: RankerGraph,
        recipe: Recipe,
        windows: Sequence[Stacked],
        batches: EpochBatches,
        schedule: Schedule,
        validation: Stacked,
    ) -> None:
        super().__init__(graph, _positions(windows), batches, schedule)
        self.settings = recipe.ranker
        self.cutoff = recipe.cutoff
        self.windows = windows
        self.validation = validation

    @property
    def graph(self) -> RankerGraph:
        """What is trained."""
        assert isinstance(self.network, RankerGraph)
        return self.network

    def loss(self, batch: list[Tensor]) -> Tensor:
        """Of (window, position) pairs of one window."""
        window, positions_B = self.windows[int(batch[0][0])], batch[1]
        labels_BC = window.labels_BC[positions_B]
        shown_BC = self._shown(window.candidates_BC[positions_B], labels_BC)
        labels_BC = labels_BC.gather(1, shown_BC)
        logits_BC = window.logits(self.graph, positions_B, shown_BC)
        valid_BC = window.candidates_BC[positions_B].gather(1, shown_BC) > 0
        logits_BC = logits_BC.masked_fill(~valid_BC, -1e9)
        weights_B = labels_BC.sum(dim=1).sqrt()
        per_hit_B = (logits_BC.log_softmax(dim=1) * labels_BC).sum(dim=1) / weights_B.clamp(min=1)
        listwise = -per_hit_B.sum() / weights_B.sum().clamp(min=1)
        pointwise = functional.binary_cross_entropy_with_logits(logits_BC[valid_BC], labels_BC[valid_BC])
        share = self.settings.listwise_share
        # The mean over many misses is small; 10 brings it to the size of the listwise part.
        return share * listwise + (1 - share) * 10 * pointwise

    def _shown(self, candidates_BC: Tensor, labels_BC: Tensor) -> Tensor:
        """Columns (B, candidates_per_user) of this step: hits first, the rest by chance, padding last."""
        priority_BC = torch.rand(labels_BC.shape) + labels_BC - 2.0 * (candidates_BC == 0)
        count = min(self.settings.candidates_per_user, labels_BC.shape[1])
        return priority_BC.topk(count, dim=1).indices

    def quality(self) -> float:
        """NDCG of the validation window after ranking."""
        rows_BC = ranked_rows(self.validation, score_all(self.graph, self.validation))
        return mean_ndcg(rows_BC, self.validation.targets, self.cutoff)


def _positions(windows: Sequence[Stacked]) -> tuple[Tensor, Tensor]:
    """(window, position) of every user, window by window."""
    sizes = [len(window) for window in windows]
    window_U = torch.repeat_interleave(torch.arange(len(windows)), torch.tensor(sizes))
    return window_U, torch.cat([torch.arange(size) for size in sizes])


@torch.no_grad()
def score_all(graph: RankerGraph, window: Stacked) -> NDArray[np.float32]:
    """Logits (B, C) of all candidates of all users of a window."""
    graph.eval()
    parts = [window.logits(graph, positions) for positions in torch.split(torch.arange(len(window)), 64)]
    logits_BC: NDArray[np.float32] = torch.cat(parts).numpy()
    return logits_BC


def ranked_rows(window: Stacked, logits_BC: NDArray[np.float32]) -> NDArray[np.int64]:
    """Item rows (B, C) by logit, ties by row, padding (-1) last."""
    rows_BC = window.candidates_BC.numpy() - 1
    keys_BC = np.where(rows_BC < 0, np.inf, -logits_BC.astype(np.float64))
    order_BC = np.lexsort((rows_BC, keys_BC), axis=1)
    return np.take_along_axis(rows_BC, order_BC, axis=1)


def calibrate(window: Stacked, logits_BC: NDArray[np.float32]) -> tuple[float, float]:
    """Slope and intercept that make sigmoid(slope x logit + intercept) a probability on the window (Platt 1999)."""
    valid_BC = window.candidates_BC.numpy() > 0
    logits = torch.from_numpy(logits_BC[valid_BC]).double()
    labels = window.labels_BC[torch.from_numpy(valid_BC)].double()
    # Platt's targets: never quite 0 or 1, so that a window without a single hit still has an answer.
    hits, misses = labels.sum(), (1 - labels).sum()
    soft = torch.where(labels > 0, (hits + 1) / (hits + 2), 1 / (misses + 2))
    parameters = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> float:
        solver.zero_grad()
        value = functional.binary_cross_entropy_with_logits(parameters[0] * logits + parameters[1], soft)
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    solver.step(loss)  # type: ignore[no-untyped-call]
    slope, intercept = parameters.tolist()
    # A slope of 0 or less would turn the order round; such a window says nothing about the scale.
    return (slope, intercept) if slope > 0.05 else (1.0, intercept)


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.float64], num_bins: int = 10) -> float:
    """Expected calibration error over bins of equal size: mean |mean probability - share of hits|."""
    order = np.argsort(probabilities, kind="stable")
    bins = [part for part in np.array_split(order, num_bins) if len(part)]
    gaps = [abs(probabilities[part].mean() - labels[part].mean()) * len(part) for part in bins]
    return float(np.sum(gaps) / len(order))
