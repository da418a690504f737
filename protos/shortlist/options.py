"""What the client takes: plain frozen dataclasses and the keyword arguments of its calls.

Defaults and limits are those of the contract (`v1/*.proto`); what is left out is not sent, the server checks the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a user did. `timestamp` is in seconds since the epoch, UTC.

    `type` is one of view, click, cart, purchase, like, dislike, rating; `value` the rating or the quantity.
    """

    user_id: str
    item_id: str
    type: str
    timestamp: int
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One interaction of the history that a request carries along; `timestamp` in seconds since the epoch, UTC.

    `type` and `value` are as those of an Event.
    """

    item_id: str
    timestamp: int
    type: str = "view"
    value: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which items may be returned; every given rule must hold.

    `ranges` maps "price" or another numeric attribute to (minimum, maximum), None for an open end.
    `availability`: "available" or "any". `seen`: "exclude", "exclude_purchased" or "include".
    """

    allow: Sequence[str] = ()
    deny: Sequence[str] = ()
    categories_any: Sequence[str] = ()
    categories_all: Sequence[str] = ()
    categories_none: Sequence[str] = ()
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    availability: str = "available"
    seen: str = "exclude"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boost:
    """Adds `amount` to the score of the candidates meant by exactly one of item_id, category and attribute.

    With an attribute: those whose value lies in minimum..maximum, None for an open end.
    """

    amount: float
    item_id: str | None = None
    category: str | None = None
    attribute: str | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Diversity:
    """How varied the answer is: strength 0 (by score alone) to 1; method "mmr" or "dpp"."""

    strength: float
    method: str = "mmr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How much new items are favoured: weight 0 (by score alone) to 1, halved by every `half_life_days` of age.

    `attribute` is the numeric attribute that holds when an item appeared, in seconds since the epoch, UTC.
    """

    attribute: str
    weight: float
    half_life_days: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The share (0..1) of every head of the answer that the items of a category must have."""

    category: str
    min_share: float | None = None
    max_share: float | None = None


class RankOptions(TypedDict, total=False):
    """Keyword arguments of `rank`, and of `recommend` too.

    user_id: whose recorded events to use. history: what else the user did, as ids (oldest first) or HistoryItems.
    timestamp, context: the circumstances. boosts, head_weights: what counts. diversity: a strength or a Diversity.
    calibration: how closely categories follow the history, 0..1. freshness: how much new items are favoured.
    explain: "none", "brief" (default) or "full". experiments: arms to use, by experiment.
    """

    user_id: str
    history: Sequence[str] | Sequence[HistoryItem] | None
    timestamp: int | None
    context: Mapping[str, float | str] | None
    boosts: Sequence[Boost] | None
    head_weights: Mapping[str, float] | None
    diversity: float | Diversity | None
    calibration: float | None
    freshness: Freshness | None
    explain: str
    experiments: Mapping[str, str] | None


class RecommendOptions(RankOptions, total=False):
    """Keyword arguments of `recommend`; one of these mappings is one request of `recommend_batch`.

    k: how many items (default 10). filters: which items. sources: the sources to ask, as names or name -> weight.
    fusion: "weighted", "rrf", "round_robin", "max" or "borda"; normalisation: "minmax", "zscore" or "none".
    num_candidates: how many go to the ranker. caps: most items per value, by attribute. exposure: shares of categories.
    """

    k: int | None
    filters: Filters | None
    sources: Sequence[str] | Mapping[str, float] | None
    fusion: str | None
    normalisation: str | None
    num_candidates: int | None
    caps: Mapping[str, int] | None
    exposure: Sequence[Exposure] | None
