"""A shelf of made-up items, and the rules of re-ranking applied to it: no package, no sources, no ranker.

Shapes: N items, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from shortlist_server.batching.deadline import UNLIMITED
from shortlist_server.batching.levels import Level
from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.spaces import Space
from shortlist_server.pipeline.query import Filters, GivenHistory, Query
from shortlist_server.pipeline.rerank import build_rules, rerank
from shortlist_server.pipeline.types import Batch, Candidates, Profiles, Ranking, Scored


class Shelf:
    """What the rules ask of a catalogue."""

    def __init__(
        self, categories: Sequence[Sequence[str]], numeric: Mapping[str, Sequence[float | None]] | None = None
    ) -> None:
        self.category_names = tuple(sorted({name for of_item in categories for name in of_item}))
        numbers = {name: number for number, name in enumerate(self.category_names)}
        self._numbers = [sorted({numbers[name] for name in of_item}) for of_item in categories]
        self._numeric = numeric or {}

    def numeric(self, name: str) -> NDArray[np.float64]:
        return np.array([np.nan if value is None else value for value in self._numeric[name]], np.float64)

    def categories(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        pairs = [(place, number) for place, row in enumerate(rows) for number in self._numbers[row]]
        columns = np.array(pairs, np.int64).reshape(-1, 2)
        return columns[:, 0], columns[:, 1]


def query(k: int, **rules: Any) -> Query:
    """A request for k items with these rules."""
    return Query(
        user_id="ann",
        history=GivenHistory(),
        k=k,
        num_candidates=k,
        timestamp=rules.pop("timestamp", 0),
        filters=Filters(),
        source_weights_S=(),
        fusion="weighted",
        norm="none",
        head_weights_H=(),
        **rules,
    )


def ranked(
    shelf: Shelf,
    asked: Sequence[tuple[Query, Sequence[float]]],
    *,
    history: Sequence[int] = (),
    space: Space | None = None,
    level: Level = Level.FULL,
) -> tuple[Batch, Ranking]:
    """Re-rank requests whose candidates are the first items of the shelf, with these values."""
    queries = tuple(one for one, _ in asked)
    batch = Batch(queries, (UNLIMITED,) * len(queries), level)
    width = max(len(values) for _, values in asked)
    values_BC = np.full((len(asked), width), -np.inf, np.float32)
    rows_BC = np.full((len(asked), width), -1, np.int64)
    for index, (_, values) in enumerate(asked):
        values_BC[index, : len(values)] = values
        rows_BC[index, : len(values)] = np.arange(len(values))
    scored = Scored(
        candidates=Candidates(scores_BC=values_BC, rows_BC=rows_BC, num_found_B=np.full(len(asked), width)),
        raw_BCS=np.zeros((len(asked), width, 0), np.float32),
        probabilities_BCH=np.zeros((len(asked), width, 0), np.float32),
        values_BC=values_BC,
        ranked_B=np.zeros(len(asked), np.bool_),
    )
    rules = build_rules(cast(Catalog, shelf), space, 1)
    return batch, rerank(batch, _profiles(len(asked), history), scored, rules=rules)


def places(ranking: Ranking, request_index: int = 0) -> list[int]:
    """The rows of one reply; candidate i is the item of row i."""
    return [int(row) for row in ranking.candidates_BK[request_index] if row >= 0]


def noted(batch: Batch, request_index: int = 0) -> list[tuple[str, str]]:
    """(rule, reason) of what one reply went without."""
    return [(one.source, one.reason) for one in batch.degraded[request_index]]


def _profiles(num_requests: int, history: Sequence[int]) -> Profiles:
    shape = (num_requests, max(len(history), 1))
    rows_BL = np.broadcast_to(np.array(list(history) or [-1], np.int64), shape)
    return Profiles(
        history_rows_BL=rows_BL,
        history_times_BL=np.zeros(shape, np.int64),
        history_types_BL=np.zeros(shape, np.uint8),
        history_values_BL=np.zeros(shape, np.float32),
        seen_rows=(np.empty(0, np.int64),) * num_requests,
        seen_types=(np.empty(0, np.uint8),) * num_requests,
        num_unknown_B=np.zeros(num_requests, np.int64),
    )
