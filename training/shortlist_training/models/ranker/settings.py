"""Settings of `ranker`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class RankerSettings:
    """History attention over the candidates, with the scores of all sources.

    Attributes:
        spaces: the vector spaces in which a candidate is compared with the history; those that no model brings are
            left out.
        rate_half_lives_days: of the sales rates of a candidate: what sells this week, this month, this season.
        max_history: the last so many items of a history are seen.
        num_heads: attention heads over the history, dealt out to the spaces in turn.
        hidden: width of the perceptron: small, as there are few users to learn from, and each counts once.
        dropout: inside the perceptron.
        batch_size: users a step, all of one window.
        learning_rate, weight_decay: of AdamW.
        num_epochs: all of them are run, so that the rate comes down to nothing. At a high rate the epoch that is best
            on a few hundred users is a draw of luck, and the network is too small to learn its users by heart.
        min_batches_per_epoch: an epoch passes over small data as often as that takes.
        candidates_per_user: shown per step, the hits first; the others are misses, of which a part says as much.
        listwise_share: of the loss; the rest is binary cross entropy, which alone would rank worse, but keeps the
            scale of the logits from drifting.
        pointwise_scale: what the cross entropy is multiplied by. Its mean over many misses is about a tenth of the
            listwise part.
    """

    spaces: tuple[str, ...] = ()
    rate_half_lives_days: tuple[float, ...] = (7.0, 28.0, 112.0)
    max_history: int = 50
    num_heads: int = 2
    hidden: int = 16
    dropout: float = 0.3
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    num_epochs: int = 6
    min_batches_per_epoch: int = 25
    candidates_per_user: int = 60
    listwise_share: float = 0.7
    pointwise_scale: float = 10.0
