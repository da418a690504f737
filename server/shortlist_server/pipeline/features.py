"""Builds what graphs are fed with: the features of `shortlist.package.features`, for a batch of requests.

Training computes the same ones. The clock at the time of the request is none of them: equal requests, equal features.
Shapes: B requests, L history positions, C candidates, S sources, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shortlist.package.features import SECONDS_PER_DAY
from shortlist.vocabulary import MAX_VALUE
from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.spaces import Space
from shortlist_server.inference.graph import Graph
from shortlist_server.pipeline.types import PADDING, Profiles

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureInputs:
    """What features are built from; the candidate arrays are None for graphs that see only the user."""

    profiles: Profiles
    contexts: Sequence[Mapping[str, float]]
    rows_BC: NDArray[np.int64] | None = None
    raw_BCS: NDArray[np.float32] | None = None

    def candidates(self) -> NDArray[np.int64]:
        """The rows of the candidates."""
        assert self.rows_BC is not None, "a graph over the history asks for candidates"
        return self.rows_BC


class FeatureBuilder:
    """Builds features over one package."""

    def __init__(self, catalog: Catalog, spaces: Mapping[str, Space]) -> None:
        self._catalog = catalog
        self._spaces = spaces

    def feed(self, graph: Graph, inputs: FeatureInputs) -> dict[str, Array]:
        """The inputs of a graph by name. It sees the last `max_history` positions, padded on the left."""
        return {
            entry.name: BUILDERS[entry.feature.name](self, inputs, graph.max_history, entry.feature.argument)
            for entry in graph.inputs
        }

    def space(self, name: str) -> Space:
        """The vector space of this name."""
        return self._spaces[name]

    def numeric(self, name: str) -> NDArray[np.float64]:
        """The numeric attribute of this name."""
        return self._catalog.numeric(name)


def _history_items(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    """Row + 1 of every history item, 0 at padding."""
    return _last(inputs.profiles.history_rows_BL, length, PADDING) + 1


def _history_types(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    return _last(inputs.profiles.history_types_BL, length, 0).astype(np.int64)


def _history_values(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    return _last(inputs.profiles.history_values_BL, length, 0)


def _history_recency_days(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    """Days between the user's latest history item and each one, 0 at padding."""
    known_BL = _last(inputs.profiles.history_rows_BL, length, PADDING) != PADDING
    times_BL = _last(inputs.profiles.history_times_BL, length, 0)
    seconds_BL = np.where(known_BL, times_BL[:, -1:] - times_BL, 0)
    return seconds_BL.astype(np.float32) / np.float32(SECONDS_PER_DAY)


def _history_vectors(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    return _vectors(builder.space(argument), _last(inputs.profiles.history_rows_BL, length, PADDING))


def _candidate_items(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    """Row + 1 of every candidate, 0 at padding."""
    return inputs.candidates() + 1


def _candidate_vectors(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    return _vectors(builder.space(argument), inputs.candidates())


def _candidate_retrieval_scores(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    """The raw score of every source for every candidate, 0 at padding."""
    assert inputs.raw_BCS is not None, "a graph that is a source asks for the scores of sources"
    return inputs.raw_BCS


def _candidate_numeric(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    """The attribute of every candidate, 0 where it is unknown and at padding."""
    rows_BC = inputs.candidates()
    numbers_BC = np.where(rows_BC == PADDING, 0.0, builder.numeric(argument)[rows_BC])
    return _float32(np.where(np.isnan(numbers_BC), 0.0, numbers_BC))


def _context(builder: FeatureBuilder, inputs: FeatureInputs, length: int, argument: str) -> Array:
    return _float32(np.array([context.get(argument, 0.0) for context in inputs.contexts], dtype=np.float64))


BUILDERS: Final[dict[str, Callable[[FeatureBuilder, FeatureInputs, int, str], Array]]] = {
    "history.items": _history_items,
    "history.types": _history_types,
    "history.values": _history_values,
    "history.recency_days": _history_recency_days,
    "history.vectors": _history_vectors,
    "candidate.items": _candidate_items,
    "candidate.vectors": _candidate_vectors,
    "candidate.retrieval_scores": _candidate_retrieval_scores,
    "candidate.numeric": _candidate_numeric,
    "context": _context,
}


def _float32(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """As float32; what is too large for it becomes its largest number, as infinity is nothing to compute with."""
    return np.clip(numbers, -MAX_VALUE, MAX_VALUE).astype(np.float32)


def _last(columns_BL: Array, length: int, padding: int) -> Array:
    """The last `length` positions, padded on the left where there are fewer."""
    missing = length - columns_BL.shape[1]
    if missing <= 0:
        return columns_BL[:, -missing:] if missing else columns_BL
    return np.pad(columns_BL, ((0, 0), (missing, 0)), constant_values=padding)


def _vectors(space: Space, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The vectors of rows of any shape, zeros where the row is -1."""
    flat = rows.reshape(-1)
    vectors = space.vectors(np.maximum(flat, 0))
    vectors[flat == PADDING] = 0.0
    return vectors.reshape(*rows.shape, space.dim)
