"""The items nearest to a vector of the user: two-tower and sequence models, folded-in factors, text and image towers.

Shapes: B requests, U users with a history, N items, C candidates, K results, L history positions, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.package.arrays import MAX_COORDINATE
from shortlist.package.features import parse_feature
from shortlist.package.layout import graph_file, vectors_file
from shortlist.package.manifest import graph_faults, weights_faults
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_server.catalog.spaces import Space
from shortlist_server.inference.graph import Graph
from shortlist_server.pipeline.features import FeatureBuilder, FeatureInputs
from shortlist_server.pipeline.sources.history import describe_weights, history_weights
from shortlist_server.pipeline.sources.source import Parts, Source, SourceQuery
from shortlist_server.pipeline.types import PADDING, Allowed, Profiles, ScoresAndRows


class UserVector(Source):
    """A vector out of a graph over the history, or the weighted sum of the vectors of its items."""

    def __init__(self, entry: manifest.Source, space: Space, graph: Graph | None, features: FeatureBuilder) -> None:
        settings = entry.user_vector
        super().__init__(entry, settings.mean.max_items if graph is None else graph.max_history)
        self._space = space
        self._graph = graph
        self._mean = settings.mean
        self._features = features

    @classmethod
    def faults(cls, entry: manifest.Source, package: manifest.Manifest) -> list[str]:
        """The space must be there; a graph sees the user only."""
        settings = entry.user_vector
        if settings.space not in [space.name for space in package.spaces]:
            return [f"user_vector.space: {settings.space!r:.80} is not one of the spaces"]
        if settings.HasField("mean"):
            return list(weights_faults("user_vector.mean", settings.mean))
        if not settings.HasField("graph"):
            return ["user_vector: neither a graph nor a mean"]
        found = list(graph_faults("user_vector.graph", settings.graph, package))
        return found or [
            f"user_vector.graph.inputs: {one.feature!r} is of candidates; a vector of the user is made without them"
            for one in settings.graph.inputs
            if parse_feature(one.feature).is_candidate
        ]

    @classmethod
    def files(cls, entry: manifest.Source) -> tuple[str, ...]:
        """The vectors, and the graph if there is one."""
        settings = entry.user_vector
        graph = (graph_file(entry.name),) if settings.HasField("graph") else ()
        return (vectors_file(settings.space), *graph)

    @classmethod
    def build(cls, entry: manifest.Source, parts: Parts) -> Self:
        """Take the space and the graph, which returns a vector of as many dimensions."""
        space, graph = parts.spaces[entry.user_vector.space], parts.graphs.get(entry.name)
        if graph is not None:
            graph.check_output(space.dim)
        return cls(entry, space, graph, parts.features)

    def query(self, profiles: Profiles, contexts: Sequence[Mapping[str, float]]) -> SourceQuery:
        """Make the vectors, at once for all users that have a history."""
        known_U = np.flatnonzero(~profiles.cold_B)
        vectors_UD = np.empty((0, self._space.dim), np.float32)
        if known_U.size:
            vectors_UD = self._vectors(profiles.take(known_U), [contexts[index] for index in known_U.tolist()])
        return _VectorQuery(self._space, known_U, vectors_UD, len(profiles))

    def describe(self) -> str:
        """The space, and where the vector comes from."""
        origin = f"mean of the history: {describe_weights(self._mean)}"
        if self._graph is not None:
            origin = f"graph over the last {self._graph.max_history}"
        return f"space {self._space.name} ({self._space.metric}), {origin}"

    def similar(
        self, row: int, mask_N: NDArray[np.bool_], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """By the cosine of the items' vectors, whatever the metric of the space: lengths say nothing of similarity."""
        return self._space.nearest_by_cosine(row, mask_N, k)

    def contributions(self, user: Profiles, rows_K: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Of a mean under the inner product: weight x product. Of a graph nothing, as it is no sum."""
        if self._graph is not None or self._space.metric != "inner_product":
            return None
        known_L = user.history_rows_BL[0] != PADDING
        weights_L = history_weights(user, self._mean)[0][known_L]
        history_LD = self._space.vectors(user.history_rows_BL[0][known_L]).astype(np.float64)
        return np.asarray((self._space.vectors(rows_K).astype(np.float64) @ history_LD.T) * weights_L)

    def _vectors(self, users: Profiles, contexts: Sequence[Mapping[str, float]]) -> NDArray[np.float32]:
        if self._graph is not None:
            feed = self._features.feed(self._graph, FeatureInputs(profiles=users, contexts=contexts))
            return self._graph.run(feed)
        vectors_UD = np.zeros((len(users), self._space.dim), np.float64)
        weights_UL = history_weights(users, self._mean)
        # One position after the other: a matrix product may round by the number of rows.
        for position in np.flatnonzero(weights_UL.any(axis=0)):
            rows_U = np.maximum(users.history_rows_BL[:, position], 0)
            vectors_UD += weights_UL[:, position, None] * self._space.vectors(rows_U).astype(np.float64)
        return vectors_UD.astype(np.float32)


class _VectorQuery(SourceQuery):
    """The vectors of one batch; users without a history have none, unusable ones are taken out and noted."""

    def __init__(
        self, space: Space, known_U: NDArray[np.int64], vectors_UD: NDArray[np.float32], num_requests: int
    ) -> None:
        usable_U = (np.abs(vectors_UD) <= MAX_COORDINATE).all(axis=1)
        self.failed_B = np.zeros(num_requests, dtype=np.bool_)
        self.failed_B[known_U[~usable_U]] = True
        self._space = space
        self._vector_of_B = np.full(num_requests, -1, dtype=np.int64)
        self._vector_of_B[known_U[usable_U]] = np.arange(int(usable_U.sum()))
        self._vectors_UD = vectors_UD[usable_U]

    def retrieve(self, allowed: Allowed, k: int) -> ScoresAndRows:
        """One scan of the vectors for all requests with the same rules."""
        scores_BC = np.full((len(self.failed_B), k), -np.inf, dtype=np.float32)
        rows_BC = np.full(scores_BC.shape, PADDING, dtype=np.int64)
        asked = np.flatnonzero(self._vector_of_B >= 0)
        for indices_G, mask_N, exclude in allowed.take(asked).groups if asked.size else ():
            indices = asked[indices_G]
            queries_GD = self._vectors_UD[self._vector_of_B[indices]]
            scores_BC[indices], rows_BC[indices] = self._space.search(queries_GD, k, mask=mask_N, exclude=exclude)
        return ScoresAndRows(scores_BC, rows_BC)

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """The exact score of every candidate."""
        scores_BC = np.zeros(rows_BC.shape, dtype=np.float32)
        asked = np.flatnonzero(self._vector_of_B >= 0)
        if asked.size:
            found = self._space.score(self._vectors_UD[self._vector_of_B[asked]], rows_BC[asked])
            scores_BC[asked] = np.where(rows_BC[asked] == PADDING, np.float32(0), found)
        return scores_BC
