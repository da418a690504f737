"""The columns that travel from stage to stage.

Shapes: B requests of a batch, I items of the catalogue, L history positions, S sources, C candidates, H ranker heads,
K results. Rows are positions in the catalogue; -1 pads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from shortlist_server.pipeline.ladder import Level
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.task import Deadline

PADDING = -1


class Asked(Protocol):
    """A source that knows the users of one batch."""

    def retrieve(self, mask_BI: NDArray[np.bool_], k: int) -> RowsAndScores:
        """The k best items of every request among those that its mask allows."""
        ...

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """The score that `retrieve` would give to each candidate, 0 where the row is -1."""
        ...


class RowsAndScores(NamedTuple):
    """Best first; rows padded with -1, scores with -inf."""

    rows_BC: NDArray[np.int64]
    scores_BC: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """Something left out of one answer; the numbers are those of the contract's Stage and DegradationReason."""

    stage: int
    source: str
    reason: int
    detail: str


class Batch:
    """The requests that pass the stages together, on one rung of the ladder, and what each had to do without."""

    def __init__(self, queries: tuple[Query, ...], deadlines: tuple[Deadline, ...], level: Level = Level.FULL) -> None:
        self.queries = queries
        self.level = level
        self.degraded: tuple[list[Degraded], ...] = tuple([] for _ in queries)
        self._deadlines = deadlines

    def __len__(self) -> int:
        return len(self.queries)

    def live(self) -> list[int]:
        """The positions of those for which somebody still waits."""
        return [position for position, deadline in enumerate(self._deadlines) if not deadline.expired()]

    def degrade(self, position: int, *, stage: int, reason: int, detail: str, source: str = "") -> None:
        """Note what the request at this position goes without."""
        self.degraded[position].append(Degraded(stage=stage, source=source, reason=reason, detail=detail))

    def degrade_all(self, *, stage: int, reason: int, detail: str, source: str = "") -> None:
        """Note it for every request of the batch."""
        for position in range(len(self)):
            self.degrade(position, stage=stage, reason=reason, detail=detail, source=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """What the users did: distinct items by last interaction, the most recent at the last position, padded on the left.

    `seen_rows` holds all that a user ever touched, dislikes included; `seen_types` the type of the last event of each.
    `num_unknown_B` counts the items that would be history, were they in the catalogue.
    """

    history_rows_BL: NDArray[np.int64]
    history_times_BL: NDArray[np.int64]
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

    def why_cold(self, position: int) -> str:
        """For people: why the user at this position, who is cold, has no history."""
        num_unknown = int(self.num_unknown_B[position])
        if not num_unknown:
            return "the history is empty"
        return f"none of the {num_unknown} history items is in the package's catalogue"

    def take(self, positions: NDArray[np.int64]) -> Profiles:
        """The profiles at these positions of the batch."""
        return Profiles(
            history_rows_BL=self.history_rows_BL[positions],
            history_times_BL=self.history_times_BL[positions],
            seen_rows=tuple(self.seen_rows[position] for position in positions),
            seen_types=tuple(self.seen_types[position] for position in positions),
            num_unknown_B=self.num_unknown_B[positions],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The list of every source for every request, best first, padded; scores are the source's own.

    `asked` are the sources, ready to score what others found; None for one that failed or is not needed.
    """

    rows_SBC: NDArray[np.int64]
    scores_SBC: NDArray[np.float32]
    asked: tuple[Asked | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The fused list of every request, best first; after the first `num_found_B` come those that fill a reply up."""

    rows_BC: NDArray[np.int64]
    fused_BC: NDArray[np.float32]
    num_found_B: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Candidates with what they are worth. `raw_BCS` and `probabilities_BCH` are 0 where nothing was computed."""

    rows_BC: NDArray[np.int64]
    fused_BC: NDArray[np.float32]
    num_found_B: NDArray[np.int64]
    raw_BCS: NDArray[np.float32]
    probabilities_BCH: NDArray[np.float32]
    values_BC: NDArray[np.float32]
    ranked_B: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The order of the reply: positions among the candidates, -1 where fewer exist, and the relevance given up."""

    positions_BK: NDArray[np.int64]
    relevance_lost_B: NDArray[np.float64]
