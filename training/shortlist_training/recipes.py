"""What a recipe is, and those that there are: functions of the data's shape, with every choice and its default.

Lengths of time follow the data's own time span, so that one recipe fits a shop with a month of clicks and a catalogue
with twenty years of ratings. Light at import: settings only.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from shortlist_training.data.dataset import Dataset
from shortlist_training.errors import InputError
from shortlist_training.models.item_neighbours.settings import ItemNeighboursSettings
from shortlist_training.models.popular.settings import PopularSettings
from shortlist_training.models.ranker.settings import RankerSettings
from shortlist_training.models.two_tower.settings import TwoTowerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What a recipe may know of the data, measured on the part that may be learned from.

    has_values, has_text, has_image: some event has a value, some item a title or text, some item an image.
    """

    num_users: int
    num_items: int
    num_events: int
    mean_length: float
    span_days: float
    has_values: bool
    has_text: bool
    has_image: bool

    @property
    def has(self) -> frozenset[str]:
        """What families may need, by the words in which they say so; every event has a time."""
        given = {"time": True, "values": self.has_values, "text": self.has_text, "image": self.has_image}
        return frozenset(name for name, present in given.items() if present)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A model of a recipe.

    Attributes:
        name: in the package and in every table.
        family: one of `models.FAMILIES`, or the path of a module.
        settings: of the family.
        grid: values of settings of which the best combination on validation is taken.
    """

    name: str
    family: str
    settings: Any
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a run may spend.

    One thread of PyTorch: these models are small, and a second thread mostly waits for the first.
    """

    num_threads: int = 1
    validation_users: int = 3_000
    stacking_users: int = 4_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that a training run needs besides data and seed.

    Attributes:
        sources: in the order of the manifest.
        ranker: None: the fused score is the value.
        fallback: the source that answers users of whom nothing is known; "" for none.
        rerank_space: the vector space in which re-ranking compares; "" for none.
        num_candidates: how many each source retrieves and the fusion keeps.
        cutoff: k of the NDCG@k by which everything is chosen.
    """

    name: str
    sources: tuple[Part, ...]
    ranker: Part | None = None
    fallback: str = ""
    rerank_space: str = ""
    num_candidates: int = 200
    cutoff: int = 10
    protocol: str = "global_time"
    budget: Budget = field(default_factory=Budget)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The sources, and the ranker if there is one."""
        return self.sources if self.ranker is None else (*self.sources, self.ranker)


MakeRecipe = Callable[[Shape], Recipe]

_POPULAR_SHARES: Final = (1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64)
_NEIGHBOUR_SHARES: Final = (1 / 8, 1 / 3)
_DECAYS: Final = (0.8, 0.9, 0.95, 0.98, 1.0)
_SHRINKAGES: Final = (0.0, 3.0)
# The windows of global_time, an eighth of the time before validation: what sells this week, this month, this season.
_WINDOW: Final = 1 / 8
_RATE_WINDOWS: Final = (0.25, 1.0, 4.0)


def hybrid(shape: Shape) -> Recipe:
    """Popularity, item neighbours and two towers, fused, and a ranker that compares candidates with the history."""
    days = shape.span_days
    towers = "two_tower"
    spaces = (towers, f"{towers}.text") if shape.has_text else (towers,)
    rates = tuple(windows * _WINDOW * days for windows in _RATE_WINDOWS)
    return Recipe(
        name="hybrid",
        sources=(
            Part(name=towers, family="two_tower", settings=TwoTowerSettings()),
            Part(
                name="item_neighbours",
                family="item_neighbours",
                settings=ItemNeighboursSettings(),
                grid={
                    "half_life_days": (*(share * days for share in _NEIGHBOUR_SHARES), None),
                    "shrinkage": _SHRINKAGES,
                    "history_decay": _DECAYS,
                },
            ),
            Part(
                name="popular",
                family="popular",
                settings=PopularSettings(),
                grid={"half_life_days": (None, *(share * days for share in _POPULAR_SHARES))},
            ),
        ),
        ranker=Part(name="ranker", family="ranker", settings=RankerSettings(spaces=spaces, rate_half_lives_days=rates)),
        fallback="popular",
        rerank_space=towers,
    )


RECIPES: dict[str, MakeRecipe] = {"hybrid": hybrid}


def find_recipe(name: str) -> MakeRecipe:
    """The recipe of that name, or the function behind "MODULE:FUNCTION".

    Raises:
        InputError: there is none; the message lists the names.
    """
    if name in RECIPES:
        return RECIPES[name]
    module, _, function = name.partition(":")
    if not function:
        raise InputError(f"recipe {name!r} is unknown; there are: {', '.join(RECIPES)}, or MODULE:FUNCTION")
    try:
        found: MakeRecipe = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"recipe {name!r}: {error}") from error
    return found


def shape_of(dataset: Dataset) -> Shape:
    """The shape of the data."""
    items = dataset.items
    texts = [name for name in ("title", "text", "tags", "categories") if name in items.columns]
    has_text = any(bool((items[name] != "").any()) for name in texts)
    num_users = len(np.unique(dataset.users))
    return Shape(
        num_users=num_users,
        num_items=dataset.num_items,
        num_events=dataset.num_events,
        mean_length=dataset.num_events / max(1, num_users),
        span_days=dataset.span_s / 86_400,
        has_values=not bool(np.isnan(dataset.values).all()),
        has_text=has_text,
        has_image=bool((items["image"] != "").any()) if "image" in items.columns else False,
    )
