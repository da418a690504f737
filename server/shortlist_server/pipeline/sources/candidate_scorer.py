"""A graph that scores what other sources found: MLP and NeuMF, DCNv2, DIN, MMoE as a column of retrieval scores.

Shapes: B requests, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.package.arrays import MAX_SCORE
from shortlist.package.features import parse_feature
from shortlist.package.layout import graph_file
from shortlist.package.manifest import graph_faults
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_server.pipeline.sources.candidate_graph import CandidateGraph
from shortlist_server.pipeline.sources.source import Parts, Source, SourceQuery
from shortlist_server.pipeline.types import PADDING, Allowed, Profiles, ScoresAndRows


class CandidateScorer(Source):
    """It retrieves nothing; its scores stand beside those of the sources that do."""

    retrieves = False

    def __init__(self, entry: manifest.Source, graph: CandidateGraph) -> None:
        super().__init__(entry, graph.max_history)
        self._graph = graph

    @classmethod
    def faults(cls, entry: manifest.Source, package: manifest.Manifest) -> list[str]:
        """Its graph may not ask for the scores of sources, of which it is one."""
        graph = entry.candidate_scorer.graph
        found = list(graph_faults("candidate_scorer.graph", graph, package))
        return found or [
            f"candidate_scorer.graph.inputs: {one.feature!r} is what its scores become a part of"
            for one in graph.inputs
            if parse_feature(one.feature).name == "candidate.retrieval_scores"
        ]

    @classmethod
    def files(cls, entry: manifest.Source) -> tuple[str, ...]:
        """The graph."""
        return (graph_file(entry.name),)

    @classmethod
    def build(cls, entry: manifest.Source, parts: Parts) -> Self:
        """Take the graph, which returns one score a candidate."""
        graph = parts.graphs[entry.name]
        graph.check_output(None)
        return cls(entry, CandidateGraph(graph, parts.features, parts.manifest.num_candidates))

    def query(self, profiles: Profiles, contexts: Sequence[Mapping[str, float]]) -> SourceQuery:
        """Nothing is computed before there are candidates."""
        return _ScorerQuery(self._graph, profiles, contexts)

    def describe(self) -> str:
        """The length of history that its graph sees."""
        return f"graph over the last {self._graph.max_history} and the candidate"


class _ScorerQuery(SourceQuery):
    def __init__(self, graph: CandidateGraph, profiles: Profiles, contexts: Sequence[Mapping[str, float]]) -> None:
        self.failed_B = np.zeros(len(profiles), dtype=np.bool_)
        self._graph = graph
        self._profiles = profiles
        self._contexts = contexts

    def retrieve(self, allowed: Allowed, k: int) -> ScoresAndRows:
        shape = (len(self.failed_B), k)
        return ScoresAndRows(np.full(shape, -np.inf, np.float32), np.full(shape, PADDING, np.int64))

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """NaN for the request whose scores are no usable numbers, and for no other: the caller leaves it out."""
        scores_BC = np.zeros(rows_BC.shape, dtype=np.float32)
        feed = self._graph.feed(self._profiles, self._contexts, rows_BC)
        for index in np.flatnonzero(~self._profiles.cold_B).tolist():
            known = int(np.count_nonzero(rows_BC[index] != PADDING))
            if known:
                found = self._graph.run(feed, index, known)
                usable = (np.abs(found) <= MAX_SCORE).all()
                scores_BC[index, :known] = found if usable else np.nan
        return scores_BC
