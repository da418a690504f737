"""The loss of the ranker.

B users, C candidates.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from shortlist_training.loop import EpochBatches, Schedule, Training
from shortlist_training.models.ranker.network import RankerNetwork
from shortlist_training.models.ranker.settings import RankerSettings
from shortlist_training.models.ranker.windows import Window

_USERS_AT_ONCE: Final = 64


class RankerTraining(Training):
    """Softmax over a user's candidates against each other, plus cross entropy of each by itself."""

    def __init__(
        self,
        network: RankerNetwork,
        settings: RankerSettings,
        windows: Sequence[Window],
        batches: EpochBatches,
        schedule: Schedule,
    ) -> None:
        super().__init__(network, _positions(windows), batches, schedule)
        self.settings = settings
        self.windows = windows

    @property
    def ranker(self) -> RankerNetwork:
        """What is trained."""
        assert isinstance(self.network, RankerNetwork)
        return self.network

    def loss(self, batch: list[Tensor]) -> Tensor:
        """Of (window, position) pairs of one window."""
        window, positions_B = self.windows[int(batch[0][0])], batch[1]
        labels_BC = window.labels_BC[positions_B]
        shown_BC = self._shown(window.candidates_BC[positions_B], labels_BC)
        labels_BC = labels_BC.gather(1, shown_BC)
        logits_BC = window.logits(self.ranker, positions_B, shown_BC)
        valid_BC = window.candidates_BC[positions_B].gather(1, shown_BC) > 0
        logits_BC = logits_BC.masked_fill(~valid_BC, -1e9)
        weights_B = labels_BC.sum(dim=1).sqrt()
        per_hit_B = (logits_BC.log_softmax(dim=1) * labels_BC).sum(dim=1) / weights_B.clamp(min=1)
        listwise = -per_hit_B.sum() / weights_B.sum().clamp(min=1)
        pointwise = functional.binary_cross_entropy_with_logits(logits_BC[valid_BC], labels_BC[valid_BC])
        share = self.settings.listwise_share
        return share * listwise + (1 - share) * self.settings.pointwise_scale * pointwise

    def _shown(self, candidates_BC: Tensor, labels_BC: Tensor) -> Tensor:
        """Columns (B, candidates_per_user) of this step: hits first, the rest by chance, padding last."""
        priority_BC = torch.rand(labels_BC.shape) + labels_BC - 2.0 * (candidates_BC == 0)
        count = min(self.settings.candidates_per_user, labels_BC.shape[1])
        return priority_BC.topk(count, dim=1).indices


def _positions(windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """(window, position) of every user, window by window."""
    sizes = [len(window) for window in windows]
    window_U = torch.repeat_interleave(torch.arange(len(windows)), torch.tensor(sizes))
    return window_U, torch.cat([torch.arange(size) for size in sizes])


@torch.no_grad()
def score_all(network: RankerNetwork, window: Window) -> NDArray[np.float32]:
    """Logits (B, C) of all candidates of all users of a window."""
    network.eval()
    parts = [window.logits(network, users) for users in torch.split(torch.arange(len(window)), _USERS_AT_ONCE)]
    logits_BC: NDArray[np.float32] = torch.cat(parts).numpy()
    return logits_BC
