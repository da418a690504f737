"""What a rule of re-ranking is, and the list that one hands to the next.

Shapes: C candidates, L history positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.types import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedList:
    """The candidates of one request in the order that the rules so far made, best first.

    `candidates_C` are their indices among the request's candidates. `values_C`, descending, belong to the places: what
    an item counts for is the value of the place on which it stands. A rule settles the first `num_places`; what follows
    keeps its order.
    """

    request_index: int
    query: Query
    history_L: NDArray[np.int64]
    candidates_C: NDArray[np.int64]
    rows_C: NDArray[np.int64]
    values_C: NDArray[np.float64]
    num_places: int

    def __len__(self) -> int:
        return len(self.rows_C)

    def reordered(self, order: NDArray[np.int64]) -> RankedList:
        """The items at these places of the list, in this order; values stay with the places."""
        return replace(
            self,
            candidates_C=self.candidates_C[order],
            rows_C=self.rows_C[order],
            values_C=self.values_C[: len(order)],
        )

    def to_settle(self, num_places: int) -> RankedList:
        """The same list with this many places for the next rule to settle."""
        return replace(self, num_places=num_places)

    def headed_by(self, chosen: NDArray[np.int64]) -> RankedList:
        """The items at these places (-1: none) first, then the others as they stand."""
        head = chosen[chosen >= 0]
        return self.reordered(np.concatenate([head, np.delete(np.arange(len(self)), head)]))

    def stretched(self) -> NDArray[np.float64]:
        """The values scaled to 0..1 over the list, 1 where all are equal: the scale of what rules weigh them with."""
        if not len(self):
            return self.values_C
        lowest, spread = self.values_C[-1], self.values_C[0] - self.values_C[-1]
        return np.asarray((self.values_C - lowest) / spread) if spread > 0.0 else np.ones(len(self))


class Rule(ABC):
    """One rule of re-ranking.

    name: the field of the request that asks for it. is_demand: it holds on every level of degradation; else it is a
    wish, which is left out when time is short.
    """

    name: ClassVar[str]
    is_demand: ClassVar[bool] = False

    @abstractmethod
    def applies(self, query: Query) -> bool:
        """Whether this request has the rule."""

    def depth(self, k: int) -> int:
        """How many places of the list before it the rule looks at, as a rule of thumb, to fill k: what they settle."""
        return k

    @abstractmethod
    def apply(self, batch: Batch, lists: Sequence[RankedList]) -> list[RankedList]:
        """The lists of the requests that have the rule, in the order that it makes; what cannot be kept is noted."""
