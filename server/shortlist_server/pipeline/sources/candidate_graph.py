"""A graph over candidates, run for one request at a time in a fixed number of columns: no score depends on company.

Shapes: B requests, C candidates, S sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist_server.inference.graph import Graph
from shortlist_server.pipeline.features import FeatureBuilder, FeatureInputs
from shortlist_server.pipeline.types import PADDING, Profiles

Array = NDArray[Any]


class CandidateGraph:
    """A graph with an axis of candidates, fed with features."""

    def __init__(self, graph: Graph, features: FeatureBuilder, num_columns: int) -> None:
        self.name = graph.name
        self.max_history = graph.max_history
        self.provider = graph.provider
        self._graph = graph
        self._features = features
        self._num_columns = num_columns
        self._by_candidate = frozenset(entry.name for entry in graph.inputs if entry.feature.is_candidate)

    def feed(
        self,
        profiles: Profiles,
        contexts: Sequence[Mapping[str, float]],
        rows_BC: NDArray[np.int64],
        raw_BCS: NDArray[np.float32] | None = None,
    ) -> dict[str, Array]:
        """The inputs for a whole batch, candidates padded to full runs; `run` takes them request by request."""
        num_requests, num_candidates = rows_BC.shape
        width = -(-num_candidates // self._num_columns) * self._num_columns
        padded_rows = np.full((num_requests, width), PADDING, dtype=np.int64)
        padded_rows[:, :num_candidates] = rows_BC
        padded_raw = None
        if raw_BCS is not None:
            padded_raw = np.zeros((num_requests, width, raw_BCS.shape[2]), dtype=np.float32)
            padded_raw[:, :num_candidates] = raw_BCS
        inputs = FeatureInputs(profiles=profiles, contexts=contexts, rows_BC=padded_rows, raw_BCS=padded_raw)
        return self._features.feed(self._graph, inputs)

    def run(self, feed: Mapping[str, Array], request_index: int, num_candidates: int) -> NDArray[np.float32]:
        """The output for the first candidates of one request, (num_candidates, ...)."""
        one = slice(request_index, request_index + 1)
        runs = []
        for start in range(0, num_candidates, self._num_columns):
            span = slice(start, start + self._num_columns)
            inputs = {
                name: array[one, span] if name in self._by_candidate else array[one] for name, array in feed.items()
            }
            runs.append(self._graph.run(inputs)[0])
        return np.concatenate(runs)[:num_candidates]
