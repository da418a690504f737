"""The loss of the two towers and its validation.

B examples, L history positions, T targets, N items, C items of one softmax, D dimensions.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from shortlist_kernels import VectorIndex
from shortlist_training.data.histories import Lists
from shortlist_training.data.queries import Task
from shortlist_training.evaluation.metrics import mean_ndcg
from shortlist_training.loop import EpochBatches, Schedule, Training
from shortlist_training.models.two_tower.batches import Numbering, history_numbers
from shortlist_training.models.two_tower.network import Towers
from shortlist_training.models.two_tower.settings import TwoTowerSettings

_USERS_AT_ONCE: Final = 256


class TwoTowerTraining(Training):
    """Softmax over the items that have events: all of them, or sampled ones with logQ correction. Items by number."""

    def __init__(
        self,
        towers: Towers,
        settings: TwoTowerSettings,
        examples: Sequence[Tensor],
        batches: EpochBatches,
        schedule: Schedule,
        window: "Window | None",
    ) -> None:
        super().__init__(towers, examples, batches, schedule)
        self.settings = settings
        self.window = window
        self.known_C = torch.from_numpy(np.flatnonzero(towers.items.known_N.numpy() > 0))
        self.full = len(self.known_C) <= settings.full_softmax_items
        targets = examples[1][examples[1] >= 0]
        counts_N = torch.bincount(targets, minlength=len(towers.items.known_N))
        self.shares_N = counts_N / len(targets)

    @property
    def towers(self) -> Towers:
        """What is trained."""
        assert isinstance(self.network, Towers)
        return self.network

    def loss(self, batch: list[Tensor]) -> Tensor:
        """Of histories (B, L), targets (B, T) padded with -1, and weights (B,).

        The mean over examples, by weight and the square root of their number of targets, of the mean -log p.
        """
        histories_BL, targets_BT, weights_B = batch[0].long(), batch[1].long(), batch[2]
        wanted_BT = targets_BT >= 0
        items_C, log_q_C = self._softmax_items(targets_BT[wanted_BT])
        positions_BT = torch.searchsorted(items_C, targets_BT.clamp(min=0)).clamp(max=len(items_C) - 1)
        users_BD, items_CD = self._encode(histories_BL, items_C)
        logits_BC = users_BD @ items_CD.T - log_q_C
        log_likelihood_BT = logits_BC.gather(1, positions_BT) - logits_BC.logsumexp(dim=1, keepdim=True)
        counts_B = wanted_BT.sum(dim=1)
        sums_B = (log_likelihood_BT * wanted_BT).sum(dim=1) / counts_B.sqrt()
        return -(sums_B * weights_B).sum() / (weights_B * counts_B.sqrt()).sum()

    def _encode(self, histories_BL: Tensor, items_C: Tensor) -> tuple[Tensor, Tensor]:
        """User vectors (B, D) and item vectors (C, D); an item's vector is computed once for both towers."""
        # Whatever stands in a history has an event, so the full softmax has its vector already.
        items_R = items_C if self.full else torch.unique(torch.cat([items_C, histories_BL[histories_BL > 0] - 1]))
        vectors_RD = self.towers.items(items_R)
        table_RD = functional.pad(vectors_RD, (0, 0, 1, 0))
        positions_BL = torch.where(histories_BL > 0, torch.searchsorted(items_R, histories_BL - 1) + 1, 0)
        users_BD = self.towers.users(functional.embedding(positions_BL, table_RD), histories_BL > 0)
        if self.full:
            return users_BD, vectors_RD
        return users_BD, functional.embedding(torch.searchsorted(items_R, items_C), vectors_RD)

    def _softmax_items(self, targets_X: Tensor) -> tuple[Tensor, Tensor]:
        """Sorted numbers (C,) of the softmax and the log probability (C,) with which each came to be among them."""
        if self.full:
            return self.known_C, torch.zeros(())
        count = self.settings.num_negatives
        drawn = self.known_C[torch.randperm(len(self.known_C))[:count]]
        items_C = torch.unique(torch.cat([drawn, targets_X]))
        share = count / len(self.known_C)
        as_target_C = 1 - (1 - self.shares_N[items_C]) ** len(targets_X)
        return items_C, torch.log(share + (1 - share) * as_target_C)

    @torch.no_grad()
    def quality(self) -> float:
        """NDCG of the full ranking in the window."""
        assert self.window is not None
        window = self.window
        vectors_ND = self.towers.item_vectors()
        table_ND = functional.pad(torch.from_numpy(vectors_ND), (0, 0, 1, 0))
        parts = torch.split(window.histories_BL, _USERS_AT_ONCE)
        users = [self.towers.users(functional.embedding(part, table_ND), part > 0) for part in parts]
        index = VectorIndex(vectors_ND.shape[1])
        index.add(np.arange(len(vectors_ND)), vectors_ND)
        found = index.search(torch.cat(users).numpy(), window.cutoff, exclude=window.exclude)
        return mean_ndcg(found, window.targets, window.cutoff)


class Window(NamedTuple):
    """The users of a validation split, items by number, and k of the NDCG@k by which the fit stops."""

    histories_BL: Tensor
    exclude: tuple[NDArray[np.int64], NDArray[np.int64]]
    targets: Lists
    cutoff: int


def window_of(task: Task, numbering: Numbering, max_history: int, cutoff: int) -> Window:
    """The users of a task as the training sees them."""
    queries = task.queries
    return Window(
        torch.from_numpy(history_numbers(queries.histories, numbering, max_history)),
        (queries.seen.indptr, numbering.numbers_N[queries.seen.rows]),
        Lists(task.targets.indptr, numbering.numbers_N[task.targets.rows].astype(np.int32)),
        cutoff,
    )
