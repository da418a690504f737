"""Settings of `two_tower`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoTowerSettings:
    """User tower over the history, item tower over id and text.

    Attributes:
        max_history: the last so many items of a history are seen.
        dim: length of a vector.
        hidden: width of the user tower's perceptron.
        text_buckets, text_tokens: hashed words and word pieces: how many different ones, how many an item keeps.
        dropout: of the history's vectors and inside the perceptron. Baskets are noisy and few: high.
        id_dropout: how often training hides an item's id, so that its text alone must do.
        half_life_share: age at which a training example counts half, as a share of the time span of the data.
        batch_size: examples a step.
        learning_rate: the highest of the first fit.
        weight_decay: next to nothing, as dropout regularises already; it keeps unused parameters from drifting.
        max_epochs, patience: of the first fit, stopped early on the full-ranking NDCG of the window behind it.
        refit_epochs, refit_learning_rate: of each later fit, which goes on from the one before.
        examples_per_epoch, max_examples: larger data is sampled per epoch; the most recent examples are kept.
        min_batches_per_epoch: an epoch passes over small data as often as that takes.
        max_targets: of one example; of a larger basket some are taken, evenly spread.
        full_softmax_items: up to so many items the softmax is full (a step over 6,000 items of 64 dimensions costs as
            much as the towers); beyond it `num_negatives` are sampled with a logQ correction.
    """

    max_history: int = 50
    dim: int = 64
    hidden: int = 128
    text_buckets: int = 8192
    text_tokens: int = 24
    dropout: float = 0.4
    id_dropout: float = 0.1
    half_life_share: float = 0.15
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1e-6
    max_epochs: int = 12
    patience: int = 3
    refit_epochs: int = 4
    refit_learning_rate: float = 2e-3
    examples_per_epoch: int = 20_000
    min_batches_per_epoch: int = 12
    max_examples: int = 300_000
    max_targets: int = 32
    full_softmax_items: int = 6_000
    num_negatives: int = 1_024
