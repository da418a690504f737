"""The recipes: every setting of a training run in one place, with its default.

Lengths of time are shares of the data's own time span, so that one recipe fits a shop with a month of clicks and a
catalogue with twenty years of ratings.
"""

from dataclasses import dataclass, field

from shortlist_training.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class PopularSettings:
    """Time-decayed popularity; the half-life is chosen on validation. Infinity counts every event alike."""

    half_life_shares: tuple[float, ...] = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, float("inf"))


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemNeighboursSettings:
    """Item kNN; shrinkage, the half-life of interactions and the history decay are chosen on validation.

    Attributes:
        num_neighbours: how many neighbours of an item are kept.
        user_exponent: an interaction of a user with n items weighs n ** -user_exponent; those who take everything
            say little about likeness.
        half_life_shares: age at which an interaction counts half.
        shrinkages: added to the denominator of the cosine, in interactions.
        history_decays: weight of a history item per step back from the newest.
    """

    num_neighbours: int = 200
    user_exponent: float = 0.5
    half_life_shares: tuple[float, ...] = (1 / 8, 1 / 3, float("inf"))
    shrinkages: tuple[float, ...] = (0.0, 3.0)
    history_decays: tuple[float, ...] = (0.8, 0.9, 0.95, 0.98, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoTowerSettings:
    """User tower over the history, item tower over id and text.

    Attributes:
        dim: length of a vector.
        text_buckets, text_tokens: hashed words and word pieces: how many different ones, how many an item keeps.
        id_dropout: how often training hides an item's id, so that its text alone must do.
        half_life_share: age at which a training example counts half.
        max_epochs, patience: of the first fit, stopped early on the full-ranking NDCG@10 of the window behind it.
        refit_epochs, refit_learning_rate: of each later fit, which goes on from the one before.
        examples_per_epoch, max_examples: larger data is sampled per epoch; the most recent examples are kept.
        min_batches_per_epoch: an epoch passes over small data as often as that takes.
        max_targets: of one example.
        full_softmax_items: up to so many items the softmax is full, beyond it `num_negatives` are sampled with a logQ
            correction.
    """

    dim: int = 64
    hidden: int = 128
    text_buckets: int = 8192
    text_tokens: int = 24
    dropout: float = 0.4
    id_dropout: float = 0.1
    half_life_share: float = 0.15
    batch_size: int = 256
    learning_rate: float = 3e-3
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RankerSettings:
    """History attention over the candidates, with the scores of all sources.

    Attributes:
        num_windows: windows before the test period; the last one is validation, the earlier ones are learned from.
        num_heads: attention heads over the history.
        candidates_per_user: shown per step, the hits first.
        listwise_share: of the loss; the rest is binary cross entropy.
    """

    num_windows: int = 4
    num_heads: int = 2
    hidden: int = 16
    dropout: float = 0.3
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    max_epochs: int = 6
    patience: int = 2
    candidates_per_user: int = 60
    max_users_per_window: int = 4_000
    min_batches_per_epoch: int = 25
    listwise_share: float = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that `fit.train` needs besides data and seed.

    One thread of PyTorch: these models are small, and a second thread mostly waits for the first.
    """

    name: str
    max_history: int = 50
    num_candidates: int = 200
    cutoff: int = 10
    max_validation_users: int = 3_000
    num_threads: int = 1
    popular: PopularSettings = field(default_factory=PopularSettings)
    item_neighbours: ItemNeighboursSettings = field(default_factory=ItemNeighboursSettings)
    two_tower: TwoTowerSettings = field(default_factory=TwoTowerSettings)
    ranker: RankerSettings = field(default_factory=RankerSettings)


RECIPES: dict[str, Recipe] = {"hybrid": Recipe(name="hybrid")}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        InputError: there is none; the message lists the names.
    """
    if name not in RECIPES:
        raise InputError(f"recipe {name!r} is unknown; there are: {', '.join(RECIPES)}")
    return RECIPES[name]
