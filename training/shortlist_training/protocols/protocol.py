"""What a protocol yields. Every split carries what may be learned from, cut down; so nothing has to be avoided."""

import typing
from dataclasses import dataclass

from shortlist_training.data.dataset import Dataset
from shortlist_training.data.queries import Split


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How many users are looked at: of the splits that something is chosen on, and of each one that is stacked."""

    validation_users: int
    stacking_users: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """What training gets. None of it holds anything of the test split.

    Attributes:
        stacking: earlier splits, oldest first, from whose users a ranker learns; empty where there is too little data.
        validation: where settings, weights and epochs are chosen.
        calibration: of the same data, with other users, on whom nothing was chosen; the same users where they are few.
        refit: what the package is fitted on.
    """

    stacking: list[Split]
    validation: Split
    calibration: Split
    refit: Dataset

    @property
    def choosing(self) -> list[Split]:
        """All splits that settings and weights may be chosen on, oldest first; validation is the last."""
        return [*self.stacking, self.validation]


class Protocol(typing.Protocol):
    """A way to split data. A later one may cut each user's own sequence, or ratings at random."""

    @property
    def name(self) -> str:
        """Its name in reports and packages."""
        ...

    def choosing(self, dataset: Dataset) -> Dataset:
        """What may be learned from before anything is chosen; recipes measure its shape.

        InputError where the data cannot be split so.
        """
        ...

    def training(self, dataset: Dataset, limits: Limits, *, all_data: bool) -> Splits:
        """The splits of a training run; with `all_data` the package is fitted on everything, and cannot be judged here.

        InputError where there is nobody to choose by.
        """
        ...

    def test(self, dataset: Dataset, num_known: int) -> Split:
        """The split to judge a package on whose catalogue is the first `num_known` rows; it may have no users."""
        ...

    def num_active_users(self, dataset: Dataset, num_known: int) -> int:
        """How many users the test split would have if any event but a dislike counted as success."""
        ...

    def describe(self, dataset: Dataset) -> dict[str, object]:
        """Every field, as plain values: what a number needs beside it."""
        ...
