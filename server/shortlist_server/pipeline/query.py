"""One decoded request: checked, defaults filled in, still in the caller's ids where rows need a user first.

Shapes: S sources of the package, H heads of its ranker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.vocabulary import EVENT_TYPES

# Options travel under the words of `shortlist.vocabulary`, which are also those of the kernels.
FusionName = Literal["weighted", "rrf", "round_robin", "max", "borda"]
NormName = Literal["minmax", "zscore", "none"]
DiversityName = Literal["mmr", "dpp"]
SeenPolicyName = Literal["exclude", "exclude_purchased", "include"]
ExplanationName = Literal["none", "brief", "full"]

VIEW: Final = EVENT_TYPES["view"]
PURCHASE: Final = EVENT_TYPES["purchase"]
DISLIKE: Final = EVENT_TYPES["dislike"]

DEFAULT_K: Final = 10
CATEGORY: Final = "category"
"""As an attribute of a cap: every category of an item is a value of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericRange:
    """Both ends included; infinite where the request gave none."""

    attribute: str
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which items may be returned, whoever asks: equal rules allow equal items. `allow_ids` None means no such rule."""

    allow_ids: tuple[str, ...] | None = None
    deny_ids: tuple[str, ...] = ()
    categories_any: tuple[str, ...] = ()
    categories_all: tuple[str, ...] = ()
    categories_none: tuple[str, ...] = ()
    ranges: tuple[NumericRange, ...] = ()
    only_available: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenHistory:
    """The history that came with the request; `timestamps` None means that its order stands for the time."""

    item_ids: tuple[str, ...] = ()
    timestamps: NDArray[np.int64] | None = None
    types: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    values: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How much new items are favoured: `attribute` holds when an item appeared, in seconds since the epoch."""

    attribute: str
    half_life_days: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """How varied the answer is: from 0, by value alone, to 1."""

    method: DiversityName = "mmr"
    strength: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most items of the answer that may share a value of an attribute."""

    attribute: str
    max_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLimits:
    """The least and the largest share that the items of a category may have in every head of the answer."""

    category: str
    min_share: float
    max_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What `Recommend` or `Rank` is asked. A source of weight 0 is switched off.

    `candidate_ids` are those of `Rank`, None for `Recommend`. `timestamp` is the time that the request is answered for.
    """

    user_id: str
    history: GivenHistory
    k: int
    num_candidates: int
    timestamp: int
    filters: Filters = Filters()
    seen_policy: SeenPolicyName = "exclude"
    candidate_ids: tuple[str, ...] | None = None
    context: Mapping[str, float] = field(default_factory=dict)
    source_weights_S: tuple[float, ...]
    fusion: FusionName
    norm: NormName
    head_weights_H: tuple[float, ...]
    freshness: Freshness | None = None
    calibration: float = 0.0
    diversity: Diversity = Diversity()
    caps: tuple[Cap, ...] = ()
    exposure: tuple[ShareLimits, ...] = ()
    explanation: ExplanationName = "none"
