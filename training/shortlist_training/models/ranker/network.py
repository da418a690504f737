"""The graph of the ranker.

B requests, C candidates, L history positions, P spaces, D dimensions of a space, S sources, F numeric features,
H attention heads, X inputs of the perceptron. Every candidate is treated on its own: its probability does not depend on
which others stand beside it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist_training.models.ranker.settings import RankerSettings

_MASKED: Final = -1e9  # finite, so that a history of nothing but padding has even shares and not NaN
_START_SCALE: Final = 1.0  # of the fused score: standardised, it spans the logits of most candidates
_START_BIAS: Final = -3.0  # of the logit: most candidates are misses, one in twenty a hit
_START_SHARPNESS: Final = 8.0  # of a head's attention: a cosine of 1 against one of 0.5 weighs e ** 4 as much
_LARGEST_SCORE: Final = 8.0  # in units of the source: beyond it an outlier would rule the linear part
_SCORE_FLOOR: Final = 0.05  # inside the logarithm, where a score of 0 means "not among the neighbours"
_AGE_SCALE: Final = 3.0  # log1p of 20 days: ages of a season are then of size 1


class Inputs(NamedTuple):
    """What the network sees: items (B, L), ages (B, L), the vectors of each space for the history (B, L, D) and the
    candidates (B, C, D), numeric features (B, C) each, and the scores of the sources (B, C, S).
    """

    history_items_BL: Tensor
    recency_days_BL: Tensor
    history_vectors: Sequence[Tensor]
    candidate_vectors: Sequence[Tensor]
    numeric: Sequence[Tensor]
    scores_BCS: Tensor


class HistoryAttention(nn.Module):
    """Where a candidate looks in the history, and what it finds there.

    logit = w . (cosine in each space, log age) + a bias per position; each head pools the same P + 1 values.
    """

    def __init__(self, num_spaces: int, settings: RankerSettings) -> None:
        super().__init__()
        start_HV = torch.zeros(settings.num_heads, num_spaces + 1)
        for head in range(settings.num_heads if num_spaces else 0):
            start_HV[head, head % num_spaces] = _START_SHARPNESS
        self.weights_HV = nn.Parameter(start_HV)
        self.position_HL = nn.Parameter(torch.zeros(settings.num_heads, settings.max_history))

    def forward(self, cosines: Sequence[Tensor], ages_BL: Tensor, present_BL: Tensor, like_BC: Tensor) -> Tensor:
        """(B, C, H * (P + 1)) pooled values of P cosines (B, C, L); an empty history gives finite numbers."""
        # An age is the same for all candidates; `like_BC` says how many there are when no space does.
        ages_BCL = ages_BL.unsqueeze(1).expand(-1, like_BC.shape[1], -1)
        values = [*cosines, ages_BCL]
        pooled = []
        for weights_V, position_L in zip(self.weights_HV, self.position_HL, strict=True):
            logits_BCL = position_L + weights_V[-1] * ages_BCL
            for place, cosines_BCL in enumerate(cosines):
                logits_BCL = logits_BCL + weights_V[place] * cosines_BCL
            shares_BCL = logits_BCL.masked_fill(~present_BL.unsqueeze(1), _MASKED).softmax(dim=-1)
            pooled += [(shares_BCL * value_BCL).sum(dim=-1) for value_BCL in values]
        return torch.stack(pooled, dim=-1)


class RankerNetwork(nn.Module):
    """From features to one logit per candidate: a linear part and a small perceptron over the same standardised inputs.

    The scale of the sources' scores is learned before training (`set_scale`): they come raw.
    num_bias: of each space, how many of the last dimensions say nothing of similarity and are dropped.
    """

    score_unit_S: Tensor
    mean_X: Tensor
    deviation_X: Tensor

    def __init__(self, num_bias: Sequence[int], num_numeric: int, num_sources: int, settings: RankerSettings) -> None:
        super().__init__()
        self.num_bias = tuple(num_bias)
        num_inputs = num_sources * 2 + num_numeric + 1 + settings.num_heads * (len(num_bias) + 1)
        self.attention = HistoryAttention(len(num_bias), settings)
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

    def inputs(self, given: Inputs) -> Tensor:
        """The inputs (B, C, X) of the perceptron before standardisation."""
        present_BL = given.history_items_BL > 0
        cosines = [
            torch.bmm(_unit(candidates_BCD, bias), _unit(history_BLD, bias).transpose(1, 2))
            for candidates_BCD, history_BLD, bias in zip(
                given.candidate_vectors, given.history_vectors, self.num_bias, strict=True
            )
        ]
        ages_BL = torch.log1p(given.recency_days_BL) / _AGE_SCALE
        length_B = torch.log1p(present_BL.sum(dim=1).to(torch.float32))
        scaled_BCS = given.scores_BCS / self.score_unit_S
        return torch.cat(
            [
                scaled_BCS.clamp(-_LARGEST_SCORE, _LARGEST_SCORE),
                # Sums of similarities and counts have long tails, where a logarithm is the better scale.
                torch.log(scaled_BCS.clamp(min=0.0) + _SCORE_FLOOR),
                *(numbers_BC.unsqueeze(-1) for numbers_BC in given.numeric),
                length_B[:, None, None].expand(-1, given.scores_BCS.shape[1], 1),
                self.attention(cosines, ages_BL, present_BL, given.scores_BCS[:, :, 0]),
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

    def forward(self, given: Inputs) -> Tensor:
        """Logits (B, C)."""
        inputs_BCX = (self.inputs(given) - self.mean_X) / self.deviation_X
        logits_BC: Tensor = (self.linear(inputs_BCX) + self.perceptron(inputs_BCX)).squeeze(-1)
        return logits_BC


class RankerGraph(nn.Module):
    """The ranker as it is exported: features in the order of `model.graph_of`, calibrated probabilities out."""

    def __init__(self, network: RankerNetwork, num_numeric: int, slope: float, intercept: float) -> None:
        super().__init__()
        self.network = network
        self.num_numeric = num_numeric
        self.slope = slope
        self.intercept = intercept

    def forward(self, *features: Tensor) -> Tensor:
        """Probabilities float32 (B, C, 1)."""
        num_spaces = len(self.network.num_bias)
        history, candidates = features[2 : 2 + num_spaces], features[2 + num_spaces : 2 + 2 * num_spaces]
        numeric, scores_BCS = features[2 + 2 * num_spaces : -1], features[-1]
        logits_BC = self.network(Inputs(features[0], features[1], history, candidates, numeric, scores_BCS))
        return torch.sigmoid(self.slope * logits_BC + self.intercept).unsqueeze(-1)


def _unit(vectors_BLD: Tensor, num_bias: int) -> Tensor:
    """Of length 1, without the last `num_bias` dimensions; a vector of zeros stays one."""
    return functional.normalize(vectors_BLD[..., : vectors_BLD.shape[-1] - num_bias], dim=-1)
