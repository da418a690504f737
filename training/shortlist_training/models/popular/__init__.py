"""Time-decayed popularity: the events of an item, each worth half as much per half-life of age.

| module | what it does |
|---|---|
| `settings` | the half-life |
| `model` | counts, and the scores that a package holds |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shortlist_training.models.popular.settings import PopularSettings

if TYPE_CHECKING:
    from shortlist_training.data.dataset import Dataset
    from shortlist_training.data.queries import Split
    from shortlist_training.models.family import Run
    from shortlist_training.models.popular.model import Popular


class PopularFamily:
    """The family `popular`."""

    name = "popular"
    settings = PopularSettings
    needs = frozenset[str]()

    def fit(self, train: Dataset, settings: PopularSettings, run: Run, validation: Split | None) -> Popular:
        """Count; nothing is learned from `validation`."""
        from shortlist_training.models.popular.model import fit

        return fit(train, settings, run)


FAMILY = PopularFamily()
