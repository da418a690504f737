"""The graph of the ranker.

B requests, C candidates, L history positions, S sources, F item features, H heads, X inputs of the perceptron.
Every candidate is treated on its own: its probability does not depend on which others stand beside it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist_training.models.ranker.features import NUM_ITEM_FEATURES, ItemTables
from shortlist_training.recipes import RankerSettings

_MASKED = -1e9
_START_SCALE = 1.0
_START_BIAS = -3.0  # most candidates are misses
_NUM_POOLED = 3  # cosine of the vectors, cosine of the texts, log age


class HistoryAttention(nn.Module):
    """Where a candidate looks in the history, and what it finds there.

    logit = w . (cosine of vectors, cosine of texts, log age) + a bias per position; each head pools the same three.
    """

    def __init__(self, max_history: int, num_heads: int) -> None:
        super().__init__()
        start_H3 = torch.tensor([[8.0, 0.0, 0.0], [0.0, 8.0, 0.0]]).repeat((num_heads + 1) // 2, 1)[:num_heads]
        self.weights_H3 = nn.Parameter(start_H3)
        self.position_HL = nn.Parameter(torch.zeros(num_heads, max_history))

    def forward(self, cosines_BCL: Tensor, texts_BCL: Tensor, ages_BL: Tensor, present_BL: Tensor) -> Tensor:
        """(B, C, 3 H) pooled values; an empty history gives finite numbers."""
        ages_B1L = ages_BL.unsqueeze(1)
        pooled = []
        for weights_3, position_L in zip(self.weights_H3, self.position_HL, strict=True):
            logits_BCL = weights_3[0] * cosines_BCL + weights_3[1] * texts_BCL + (weights_3[2] * ages_B1L + position_L)
            shares_BCL = logits_BCL.masked_fill(~present_BL.unsqueeze(1), _MASKED).softmax(dim=-1)
            pooled += [(shares_BCL * values).sum(dim=-1) for values in (cosines_BCL, texts_BCL, ages_B1L)]
        return torch.stack(pooled, dim=-1)


class RankerGraph(nn.Module):
    """From features to one logit per candidate: a linear part and a small perceptron over the same standardised inputs.

    The scale of the sources' scores is learned before training (`set_scale`): they come raw.
    """

    score_unit_S: Tensor
    mean_X: Tensor
    deviation_X: Tensor

    def __init__(self, max_history: int, num_sources: int, settings: RankerSettings) -> None:
        super().__init__()
        num_inputs = num_sources * 2 + NUM_ITEM_FEATURES + 1 + settings.num_heads * _NUM_POOLED
        self.attention = HistoryAttention(max_history, settings.num_heads)
        self.linear = nn.Linear(num_inputs, 1)
        self.perceptron = nn.Sequential(
            nn.Linear(num_inputs, settings.hidden),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, settings.hidden),
            nn.GELU(),
            nn.Linear(settings.hidden, 1),
        )
        self.register_buffer("score_unit_S", torch.ones(num_sources))
        self.register_buffer("mean_X", torch.zeros(num_inputs))
        self.register_buffer("deviation_X", torch.ones(num_inputs))

    def inputs(
        self,
        history_items_BL: Tensor,
        recency_days_BL: Tensor,
        candidate_items_BC: Tensor,
        scores_BCS: Tensor,
        tables: ItemTables,
    ) -> Tensor:
        """The inputs (B, C, X) before standardisation."""
        present_BL = history_items_BL > 0
        cosines_BCL, texts_BCL = (
            torch.bmm(
                functional.embedding(candidate_items_BC, table),
                functional.embedding(history_items_BL, table).transpose(1, 2),
            )
            for table in (tables.vectors_ND, tables.texts_ND)
        )
        ages_BL = torch.log1p(recency_days_BL) / 3
        length_B = torch.log1p(present_BL.sum(dim=1).to(torch.float32))
        scaled_BCS = scores_BCS / self.score_unit_S
        return torch.cat(
            [
                scaled_BCS.clamp(-8.0, 8.0),
                # Sums of similarities and counts have long tails, where a logarithm is the better scale.
                torch.log(scaled_BCS.clamp(min=0.0) + 0.05),
                functional.embedding(candidate_items_BC, tables.features_NF),
                length_B[:, None, None].expand(-1, candidate_items_BC.shape[1], 1),
                self.attention(cosines_BCL, texts_BCL, ages_BL, present_BL),
            ],
            dim=-1,
        )

    def set_scale(self, inputs_NX: Tensor) -> None:
        """Standardise by the mean and deviation of these inputs."""
        self.mean_X.copy_(inputs_NX.mean(dim=0))
        self.deviation_X.copy_(inputs_NX.std(dim=0).clamp(min=1e-3))

    @torch.no_grad()
    def start_from(self, weights: Sequence[float]) -> None:
        """Begin with the weighted sum of the standardised scores: little data then costs little."""
        last = self.perceptron[-1]
        for parameter in (*self.linear.parameters(), *last.parameters()):
            parameter.zero_()
        self.linear.weight[0, : len(weights)] = _START_SCALE * torch.tensor(weights)
        self.linear.bias.fill_(_START_BIAS)

    def forward(
        self,
        history_items_BL: Tensor,
        recency_days_BL: Tensor,
        candidate_items_BC: Tensor,
        scores_BCS: Tensor,
        tables: ItemTables,
    ) -> Tensor:
        """Logits (B, C)."""
        raw_BCX = self.inputs(history_items_BL, recency_days_BL, candidate_items_BC, scores_BCS, tables)
        inputs_BCX = (raw_BCX - self.mean_X) / self.deviation_X
        logits_BC: Tensor = (self.linear(inputs_BCX) + self.perceptron(inputs_BCX)).squeeze(-1)
        return logits_BC


class ExportedRanker(nn.Module):
    """The ranker with the tables of one cut inside and calibrated probabilities out."""

    vectors_ND: Tensor
    texts_ND: Tensor
    features_NF: Tensor
    slope: Tensor
    intercept: Tensor

    def __init__(self, graph: RankerGraph, tables: ItemTables, slope: float, intercept: float) -> None:
        super().__init__()
        self.network = graph
        self.register_buffer("vectors_ND", tables.vectors_ND)
        self.register_buffer("texts_ND", tables.texts_ND)
        self.register_buffer("features_NF", tables.features_NF)
        self.register_buffer("slope", torch.tensor(slope))
        self.register_buffer("intercept", torch.tensor(intercept))

    def forward(
        self, history_items: Tensor, history_recency_days: Tensor, candidate_items: Tensor, retrieval_scores: Tensor
    ) -> Tensor:
        """Probabilities float32 (B, C, 1) from the features of the same names."""
        tables = ItemTables(self.vectors_ND, self.texts_ND, self.features_NF)
        logits_BC = self.network(history_items, history_recency_days, candidate_items, retrieval_scores, tables)
        return torch.sigmoid(self.slope * logits_BC + self.intercept).unsqueeze(-1)
