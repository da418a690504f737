"""The loss of the two towers and its validation.

B examples, L history positions, T targets, N items, C items of one softmax, D dimensions.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shortlist_training.data.queries import Task
from shortlist_training.loop import EpochBatches, Schedule, Training
from shortlist_training.metrics import mean_ndcg
from shortlist_training.models.two_tower.text import TextTable
from shortlist_training.models.two_tower.towers import ItemTower, UserTower
from shortlist_training.recipes import Recipe


class Towers(nn.Module):
    """Both towers of one catalogue."""

    def __init__(self, num_items: int, text: TextTable, recipe: Recipe) -> None:
        super().__init__()
        self.items = ItemTower(num_items, text, recipe.two_tower)
        self.users = UserTower(recipe.max_history, recipe.two_tower)

    @torch.no_grad()
    def item_vectors(self) -> NDArray[np.float32]:
        """float32 (N, D) of the whole catalogue, without dropout."""
        self.eval()
        chunks = torch.split(torch.arange(self.items.ids.num_embeddings), 4096)
        vectors_ND: NDArray[np.float32] = torch.cat([self.items(chunk) for chunk in chunks]).numpy()
        return vectors_ND


class TwoTowerTraining(Training):
    """Softmax over the items that were known before the cut: all of them, or sampled ones with logQ correction."""

    def __init__(
        self,
        towers: Towers,
        recipe: Recipe,
        examples: Sequence[Tensor],
        batches: EpochBatches,
        schedule: Schedule,
        task: Task | None,
    ) -> None:
        super().__init__(towers, examples, batches, schedule)
        self.recipe = recipe
        self.task = task
        self.known_C = torch.from_numpy(np.flatnonzero(towers.items.known_N.numpy() > 0))
        self.full = len(self.known_C) <= recipe.two_tower.full_softmax_items
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
        rows_C, log_q_C = self._softmax_rows(targets_BT[wanted_BT])
        positions_BT = torch.searchsorted(rows_C, targets_BT.clamp(min=0)).clamp(max=len(rows_C) - 1)
        users_BD, items_CD = self._encode(histories_BL, rows_C)
        logits_BC = users_BD @ items_CD.T - log_q_C
        log_likelihood_BT = logits_BC.gather(1, positions_BT) - logits_BC.logsumexp(dim=1, keepdim=True)
        counts_B = wanted_BT.sum(dim=1)
        sums_B = (log_likelihood_BT * wanted_BT).sum(dim=1) / counts_B.sqrt()
        return -(sums_B * weights_B).sum() / (weights_B * counts_B.sqrt()).sum()

    def _encode(self, histories_BL: Tensor, rows_C: Tensor) -> tuple[Tensor, Tensor]:
        """User vectors (B, D) and item vectors (C, D); an item's vector is computed once for both towers."""
        # Whatever stands in a history was known before the cut, so the full softmax has its vector already.
        rows_R = rows_C if self.full else torch.unique(torch.cat([rows_C, histories_BL[histories_BL > 0] - 1]))
        vectors_RD = self.towers.items(rows_R)
        table_RD = functional.pad(vectors_RD, (0, 0, 1, 0))
        positions_BL = torch.where(histories_BL > 0, torch.searchsorted(rows_R, histories_BL - 1) + 1, 0)
        users_BD = self.towers.users(functional.embedding(positions_BL, table_RD), histories_BL > 0)
        if self.full:
            return users_BD, vectors_RD
        return users_BD, functional.embedding(torch.searchsorted(rows_R, rows_C), vectors_RD)

    def _softmax_rows(self, targets_X: Tensor) -> tuple[Tensor, Tensor]:
        """Sorted rows (C,) of the softmax and the log probability (C,) with which each came to be among them."""
        if self.full:
            return self.known_C, torch.zeros(())
        count = self.recipe.two_tower.num_negatives
        drawn = self.known_C[torch.randperm(len(self.known_C))[:count]]
        rows_C = torch.unique(torch.cat([drawn, targets_X]))
        share = count / len(self.known_C)
        as_target_C = 1 - (1 - self.shares_N[rows_C]) ** len(targets_X)
        return rows_C, torch.log(share + (1 - share) * as_target_C)

    @torch.no_grad()
    def quality(self) -> float:
        """NDCG of the full ranking in the task's window."""
        assert self.task is not None
        queries = self.task.queries
        vectors_ND = torch.from_numpy(self.towers.item_vectors())
        rows = []
        for start in range(0, len(queries), 256):
            part = queries.slice(start, start + 256)
            histories_BL = torch.from_numpy(part.history_items_BL)
            table_ND = functional.pad(vectors_ND, (0, 0, 1, 0))
            users_BD = self.towers.users(functional.embedding(histories_BL, table_ND), histories_BL > 0)
            scores_BN = users_BD @ vectors_ND.T
            users = np.repeat(np.arange(len(part)), part.seen.lengths())
            scores_BN[torch.from_numpy(users), torch.from_numpy(part.seen.rows.astype(np.int64))] = -torch.inf
            rows.append(scores_BN.topk(min(self.recipe.cutoff, len(vectors_ND))).indices.numpy())
        return mean_ndcg(np.concatenate(rows), self.task.targets, self.recipe.cutoff)
