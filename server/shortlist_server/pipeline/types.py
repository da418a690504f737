"""The columns that travel from stage to stage.

Shapes: B requests of a batch, N items of the catalogue, L history positions, S sources, C candidates, H ranker heads,
K results. A row is an item's number in the catalogue; -1 pads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_server.batching.deadline import Deadline
from shortlist_server.batching.levels import Level
from shortlist_server.pipeline.query import Query

if TYPE_CHECKING:
    from shortlist_server.pipeline.sources.source import SourceQuery

PADDING: Final = -1


class ScoresAndRows(NamedTuple):
    """Best first, in the order in which the kernels return them; scores padded with -inf, rows with -1."""

    scores_BC: NDArray[np.float32]
    rows_BC: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """Something left out of one answer: names of the contract's Stage and DegradationReason, without their prefix.

    `source` names the source, the model or the rule of re-ranking concerned.
    """

    stage: str
    reason: str
    detail: str
    source: str = ""


class Batch:
    """The requests that pass the stages together, on one level, and what each had to do without."""

    def __init__(
        self,
        queries: tuple[Query, ...],
        deadlines: tuple[Deadline, ...],
        level: Level = Level.FULL,
        queued_ns: tuple[int, ...] = (),
    ) -> None:
        self.queries = queries
        self.level = level
        self.queued_ns = queued_ns or (0,) * len(queries)
        self.degraded: tuple[list[Degraded], ...] = tuple([] for _ in queries)
        self._deadlines = deadlines

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def contexts(self) -> tuple[Mapping[str, float], ...]:
        """The numbers that each request gave as its context, by name."""
        return tuple(query.context for query in self.queries)

    def live(self) -> list[int]:
        """The indices of those for which somebody still waits."""
        return [index for index, deadline in enumerate(self._deadlines) if not deadline.expired()]

    def degrade(self, request_index: int, degraded: Degraded) -> None:
        """Note what one request goes without."""
        self.degraded[request_index].append(degraded)

    def degrade_all(self, degraded: Degraded) -> None:
        """Note it for every request of the batch."""
        for of_request in self.degraded:
            of_request.append(degraded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """What the users did: distinct items by last interaction, the most recent at the last position, padded on the left.

    `seen_rows` holds all that a user ever touched, dislikes included, ascending; `seen_types` the type of the last
    event of each. `num_unknown_B` counts the items that would be history, were they in the catalogue.
    """

    history_rows_BL: NDArray[np.int64]
    history_times_BL: NDArray[np.int64]
    history_types_BL: NDArray[np.uint8]
    history_values_BL: NDArray[np.float32]
    seen_rows: tuple[NDArray[np.int64], ...]
    seen_types: tuple[NDArray[np.uint8], ...]
    num_unknown_B: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.history_rows_BL)

    @property
    def known_BL(self) -> NDArray[np.bool_]:
        """True where the history holds an item, False at padding."""
        known: NDArray[np.bool_] = self.history_rows_BL != PADDING
        return known

    @property
    def cold_B(self) -> NDArray[np.bool_]:
        """True for users without any history."""
        cold: NDArray[np.bool_] = np.logical_not(np.any(self.known_BL, axis=1))
        return cold

    def history_of(self, request_index: int) -> NDArray[np.int64]:
        """The rows of one user's history, oldest first, without padding."""
        rows_L = self.history_rows_BL[request_index]
        history: NDArray[np.int64] = rows_L[rows_L != PADDING]
        return history

    def why_cold(self, request_index: int) -> str:
        """For people: why this user, who is cold, has no history."""
        num_unknown = int(self.num_unknown_B[request_index])
        if not num_unknown:
            return "the history is empty"
        return f"none of the {num_unknown} history items is in the package's catalogue"

    def take(self, indices: NDArray[np.int64]) -> Profiles:
        """The profiles of these requests of the batch, which ascend."""
        if len(indices) == len(self):
            return self
        return Profiles(
            history_rows_BL=self.history_rows_BL[indices],
            history_times_BL=self.history_times_BL[indices],
            history_types_BL=self.history_types_BL[indices],
            history_values_BL=self.history_values_BL[indices],
            seen_rows=tuple(self.seen_rows[index] for index in indices),
            seen_types=tuple(self.seen_types[index] for index in indices),
            num_unknown_B=self.num_unknown_B[indices],
        )


class AllowedGroup(NamedTuple):
    """Requests with the same rules: their indices, the items that the rules allow (None: all), and as `exclude` of
    the kernels, (indptr, rows), what each of them may not get besides.
    """

    indices_G: NDArray[np.int64]
    mask_N: NDArray[np.bool_] | None
    exclude: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Which items each request may get: one mask for all requests with the same rules, and what each user has seen.

    `masks` holds the distinct masks, None for one that allows everything; `mask_B` the number of each request's.
    `groups` are the requests by their rules.
    """

    masks: tuple[NDArray[np.bool_] | None, ...]
    mask_B: NDArray[np.int64]
    excluded_rows: tuple[NDArray[np.int64], ...]
    groups: tuple[AllowedGroup, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made at once: every source asks, and several of them at the same time.
        object.__setattr__(self, "groups", tuple(self._grouped()))

    def _grouped(self) -> Iterator[AllowedGroup]:
        for number, mask_N in enumerate(self.masks):
            indices_G = np.flatnonzero(self.mask_B == number)
            if indices_G.size:
                rows = [self.excluded_rows[index] for index in indices_G]
                indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
                yield AllowedGroup(indices_G, mask_N, (indptr, np.concatenate(rows).astype(np.int64, copy=False)))

    def mask_of(self, request_index: int, num_items: int) -> NDArray[np.bool_]:
        """The items that one request may get, as a mask of its own."""
        shared_N = self.masks[self.mask_B[request_index]]
        mask_N = np.ones(num_items, np.bool_) if shared_N is None else shared_N.copy()
        mask_N[self.excluded_rows[request_index]] = False
        return mask_N

    def without(self, rows: Sequence[NDArray[np.int64]]) -> Allowed:
        """The same rules, with these rows of each request excluded besides."""
        excluded = (np.concatenate(pair) for pair in zip(self.excluded_rows, rows, strict=True))
        return Allowed(masks=self.masks, mask_B=self.mask_B, excluded_rows=tuple(excluded))

    def take(self, indices: NDArray[np.int64]) -> Allowed:
        """The rules of these requests of the batch."""
        if len(indices) == len(self.mask_B):
            return self
        return Allowed(
            masks=self.masks,
            mask_B=self.mask_B[indices],
            excluded_rows=tuple(self.excluded_rows[index] for index in indices),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The list of every source for every request, best first, padded; scores are the source's own.

    `queries` are the sources with the users of the batch, ready to score what others found; None for one that failed or
    is not needed. `answered_SB` says for which requests a source was asked, and did not fail.
    """

    scores_SBC: NDArray[np.float32]
    rows_SBC: NDArray[np.int64]
    answered_SB: NDArray[np.bool_]
    queries: tuple[SourceQuery | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The fused list of every request, best first; after the first `num_found_B` come those that fill a reply up."""

    scores_BC: NDArray[np.float32]
    rows_BC: NDArray[np.int64]
    num_found_B: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Candidates with what they are worth. `raw_BCS` and `probabilities_BCH` are 0 where nothing was computed.

    `values_BC` is -inf at padding and finite elsewhere; `ranked_B` says for which requests it is the ranker's.
    """

    candidates: Candidates
    raw_BCS: NDArray[np.float32]
    probabilities_BCH: NDArray[np.float32]
    values_BC: NDArray[np.float32]
    ranked_B: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The order of the reply as indices of candidates, -1 where fewer exist, and the relevance given up."""

    candidates_BK: NDArray[np.int64]
    relevance_lost_B: NDArray[np.float64]


class Trace(NamedTuple):
    """What the stages of one batch found, for those who compare it with what should have been found."""

    retrieved: Retrieved
    candidates: Candidates
    scored: Scored
    ranking: Ranking


@dataclass(frozen=True, slots=True)
class BecauseOf:
    """History items that speak for an item: rows and parts, largest first, of the score of a source (or a space)."""

    source: str
    rows: NDArray[np.int64]
    parts: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FoundBy:
    """The item's rank in the list of a source, from 1, 0 where it is not in it, and the score that the source gave."""

    source: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class ColdStart:
    """As FoundBy, of the fallback source, for a user of whom nothing is known."""

    source: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class HeadScore:
    """What one head of the ranker said, and the weight that it was given."""

    name: str
    probability: float
    weight: float


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """What makes up an item's score; `ranker` None, and no heads, where the ranker did not run."""

    fused: float
    ranker: float | None
    heads: tuple[HeadScore, ...]
    diversity_penalty: float


Reason = BecauseOf | FoundBy | ColdStart | ScoreParts
