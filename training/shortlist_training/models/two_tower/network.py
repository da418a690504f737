"""The two towers.

B users, L history positions, N items, C items of one softmax, T tokens, D dimensions. The last dimension of an item
vector is the item's bias: the user vector is 1 there, so the inner product of the two is the whole score.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shortlist_training.models.two_tower.settings import TwoTowerSettings
from shortlist_training.models.two_tower.text import TextTable

_MASKED: Final = -1e9  # finite, so that a history of nothing but padding has even shares and not NaN
_ATTENTION: Final = 32  # hidden units of the attention, half of the default dimensions
# Small against the word embeddings, so that an item begins as its text and learns its id where there is data for it.
_ID_DEVIATION: Final = 0.05
_WORD_DEVIATION: Final = 0.1


class ItemTower(nn.Module):
    """Id embedding plus text: the weighted sum of padded token embeddings. Training drops some ids. Items by number.

    An item without any event keeps the text part only (`known` is 0), and the mean bias.
    """

    known_N: Tensor
    tokens_NT: Tensor
    weights_NT: Tensor

    def __init__(self, num_items: int, text: TextTable, settings: TwoTowerSettings) -> None:
        super().__init__()
        self.id_dropout = settings.id_dropout
        self.ids = nn.Embedding(num_items, settings.dim)
        nn.init.normal_(self.ids.weight, std=_ID_DEVIATION)
        self.words = nn.Embedding(settings.text_buckets, settings.dim, padding_idx=0)
        nn.init.normal_(self.words.weight, std=_WORD_DEVIATION)
        self.bias = nn.Parameter(torch.zeros(num_items))
        self.register_buffer("known_N", torch.ones(num_items))
        self.register_buffer("tokens_NT", torch.from_numpy(text.tokens_NT), persistent=False)
        self.register_buffer("weights_NT", torch.from_numpy(text.weights_NT), persistent=False)

    def set_known(self, num_known: int) -> None:
        """Say how many items have events: the first numbers are theirs."""
        self.known_N.copy_((torch.arange(len(self.known_N)) < num_known).to(torch.float32))

    def text(self, rows_C: Tensor) -> Tensor:
        """The text part (C, D); zeros for an item without text."""
        weights_C1T = self.weights_NT[rows_C].unsqueeze(1)
        return torch.bmm(weights_C1T, self.words(self.tokens_NT[rows_C])).squeeze(1)

    def forward(self, rows_C: Tensor) -> Tensor:
        """Item vectors (C, D) with the bias in the last dimension."""
        keep_C = self.known_N[rows_C]
        if self.training:
            # Only an item with text can do without its id.
            has_text_C = self.weights_NT[rows_C].any(dim=1)
            dropped_C = (torch.rand(len(rows_C)) < self.id_dropout) & has_text_C
            keep_C = keep_C * ~dropped_C
        vectors_CD = self.ids(rows_C) * keep_C.unsqueeze(1) + self.text(rows_C)
        bias_CD = functional.pad(self._bias(rows_C).unsqueeze(1), (vectors_CD.shape[1] - 1, 0))
        return torch.add(vectors_CD, bias_CD)

    def _bias(self, rows_C: Tensor) -> Tensor:
        known_C = self.known_N[rows_C] > 0
        mean = (self.bias * self.known_N).sum() / self.known_N.sum().clamp(min=1)
        return torch.where(known_C, self.bias[rows_C], mean)


class UserTower(nn.Module):
    """Attention pooling of the history's item vectors, then a residual multi-layer perceptron.

    The attention knows the position from the newest item; an empty history gives a finite vector.
    """

    def __init__(self, settings: TwoTowerSettings) -> None:
        super().__init__()
        dim = settings.dim
        self.attention = nn.Sequential(nn.Linear(dim, _ATTENTION), nn.Tanh(), nn.Linear(_ATTENTION, 1, bias=False))
        self.position_L = nn.Parameter(torch.zeros(settings.max_history))
        self.dropout = nn.Dropout(settings.dropout)
        self.straight = nn.Linear(dim, dim - 1, bias=False)
        nn.init.eye_(self.straight.weight)
        self.perceptron = nn.Sequential(
            nn.Linear(dim, settings.hidden),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, dim - 1),
        )
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, vectors_BLD: Tensor, present_BL: Tensor) -> Tensor:
        """User vectors (B, D), 1 in the last dimension."""
        vectors_BLD = self.dropout(vectors_BLD)
        logits_BL = self.attention(vectors_BLD).squeeze(-1) + self.position_L
        shares_BL = logits_BL.masked_fill(~present_BL, _MASKED).softmax(dim=-1)
        pooled_BD = torch.bmm(shares_BL.unsqueeze(1), vectors_BLD).squeeze(1)
        user_BE = (self.straight(pooled_BD) + self.perceptron(pooled_BD)) * self.log_scale.exp()
        return functional.pad(user_BE, (0, 1), value=1.0)


class Towers(nn.Module):
    """Both towers of one catalogue."""

    def __init__(self, num_items: int, text: TextTable, settings: TwoTowerSettings) -> None:
        super().__init__()
        self.items = ItemTower(num_items, text, settings)
        self.users = UserTower(settings)

    @torch.no_grad()
    def item_vectors(self) -> NDArray[np.float32]:
        """float32 (N, D) of the whole catalogue, by number, without dropout."""
        self.eval()
        chunks = torch.split(torch.arange(self.items.ids.num_embeddings), 4096)
        vectors_ND: NDArray[np.float32] = torch.cat([self.items(chunk) for chunk in chunks]).numpy()
        return vectors_ND

    @torch.no_grad()
    def text_vectors(self) -> NDArray[np.float32]:
        """float32 (N, D): the text part of the item vectors, by number."""
        texts_ND: NDArray[np.float32] = self.items.text(torch.arange(self.items.ids.num_embeddings)).numpy()
        return texts_ND


class UserGraph(nn.Module):
    """The user tower as it is exported: from features of the history to the user vector."""

    def __init__(self, tower: UserTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, history_items: Tensor, history_vectors: Tensor) -> Tensor:
        """history_items int64 (B, L), 0 = padding, and their vectors float32 (B, L, D), to float32 (B, D)."""
        user_BD: Tensor = self.tower(history_vectors, history_items > 0)
        return user_BD
