"""One decoded request: checked, defaults filled in, still in the caller's ids where rows need a user first.

Shapes: S sources of the package, H heads of its ranker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import EXPLANATION_LEVEL_NONE
from shortlist.v1.filter_pb2 import SEEN_POLICY_EXCLUDE

if TYPE_CHECKING:
    from shortlist_server.catalog.package import Package

FusionName = Literal["weighted", "rrf", "round_robin", "max", "borda"]
NormName = Literal["minmax", "zscore", "none"]
DiversityName = Literal["mmr", "dpp"]

DEFAULT_K = 10
MAX_K = 1000
CATEGORY = "category"  # as an attribute: every category of an item is a value of it


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericRange:
    """Both ends included; infinite where the request gave none."""

    attribute: str
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which items may be returned; `allow_ids` None means no such rule."""

    allow_ids: tuple[str, ...] | None = None
    deny_ids: tuple[str, ...] = ()
    categories_any: tuple[str, ...] = ()
    categories_all: tuple[str, ...] = ()
    categories_none: tuple[str, ...] = ()
    ranges: tuple[NumericRange, ...] = ()
    only_available: bool = True
    seen_policy: int = SEEN_POLICY_EXCLUDE


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenHistory:
    """The history that came with the request; `timestamps` None means that its order stands for the time."""

    item_ids: tuple[str, ...] = ()
    timestamps: NDArray[np.int64] | None = None
    types: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, dtype=np.uint8))


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
class Query:
    """What `Recommend` or `Rank` is asked. A source of weight 0 is switched off."""

    user_id: str
    history: GivenHistory
    k: int
    num_candidates: int
    filters: Filters
    source_weights_S: tuple[float, ...]
    fusion: FusionName
    norm: NormName
    head_weights_H: tuple[float, ...]
    diversity: Diversity = Diversity()
    caps: tuple[Cap, ...] = ()
    explanation: int = EXPLANATION_LEVEL_NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the package says where a request says nothing, and the names that a request may use."""

    source_weights: Mapping[str, float]
    head_weights: Mapping[str, float]
    fusion: FusionName
    norm: NormName
    num_candidates: int
    attributes: frozenset[str]

    @classmethod
    def of(cls, package: Package) -> Self:
        """Read them from the manifest and the catalogue."""
        manifest = package.manifest
        return cls(
            source_weights={source.name: source.weight for source in manifest.sources},
            head_weights={head.name: head.weight for head in manifest.ranker.heads},
            fusion=manifest.fusion.method,
            norm=manifest.fusion.norm,
            num_candidates=manifest.num_candidates,
            attributes=frozenset(package.catalog.numeric_names),
        )
