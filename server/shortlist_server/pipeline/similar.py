"""Items similar to one item: no user, no ranker, so it takes a short cut past the funnel.

Shapes: Q requests that share a scan, I items, K results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import PackageVersion, RankedItem
from shortlist.v1.recommendation_pb2 import SimilarItemsRequest, SimilarItemsResponse
from shortlist_kernels import Csr, VectorIndex, search_neighbours
from shortlist_server.catalog.package import Package
from shortlist_server.errors import InvalidRequest
from shortlist_server.pipeline.batch import PADDING, RowsAndScores
from shortlist_server.pipeline.decode_filters import decode_filters
from shortlist_server.pipeline.encode import encode_timings
from shortlist_server.pipeline.filter import allowed_by_rules
from shortlist_server.pipeline.ladder import StageCosts
from shortlist_server.pipeline.query import DEFAULT_K, MAX_K, Defaults, Filters
from shortlist_server.pipeline.stopwatch import Stopwatch
from shortlist_server.pipeline.task import Task, late
from shortlist_server.pipeline.violations import Violations, shown


class Likeness(Protocol):
    """One idea of similarity."""

    def similar(self, row: int, mask_I: NDArray[np.bool_], k: int) -> RowsAndScores:
        """The k most similar allowed items, one line."""
        ...


class _SimilarQuery(NamedTuple):
    row: int
    k: int
    filters: Filters
    likeness: Likeness


class _ByNeighbours(NamedTuple):
    neighbours: Csr

    def similar(self, row: int, mask_I: NDArray[np.bool_], k: int) -> RowsAndScores:
        history = (np.array([0, 1], np.int64), np.array([row], np.int32), np.ones(1, np.float32))
        scores, rows = search_neighbours(self.neighbours, history, k, mask=mask_I)
        return RowsAndScores(rows, scores)


class _ByVectors(NamedTuple):
    cosine: VectorIndex
    num_threads: int

    def similar(self, row: int, mask_I: NDArray[np.bool_], k: int) -> RowsAndScores:
        vector_1D = self.cosine.vectors(np.array([row]))
        scores, rows = self.cosine.search(vector_1D, k, mask=mask_I, num_threads=self.num_threads)
        return RowsAndScores(rows, scores)


class SimilarItems:
    """Answers `SimilarItems` over one package. Safe to run from several threads at once."""

    def __init__(self, package: Package) -> None:
        self._catalog = package.catalog
        self._defaults = Defaults.of(package)
        self._version = PackageVersion(name=package.manifest.name, id=package.manifest.package_id)
        self._costs = StageCosts()
        self._likenesses = _likenesses(package)

    def run(self, tasks: Sequence[Task[SimilarItemsRequest]]) -> list[SimilarItemsResponse | Exception]:
        """A reply, or the error of that request alone, in order; what nobody waits for any more is not begun."""
        return [late() if task.deadline.expired() else self._answer(task) for task in tasks]

    def _answer(self, task: Task[SimilarItemsRequest]) -> SimilarItemsResponse | Exception:
        watch = Stopwatch(self._costs, 1)
        try:
            with watch.stage("decode"):
                query = self._decode(task.request)
        except InvalidRequest as error:
            return error
        with watch.stage("filter"):
            mask_I = allowed_by_rules(query.filters, self._catalog).copy()
            mask_I[query.row] = False
        with watch.stage("retrieve"):
            found = query.likeness.similar(query.row, mask_I, query.k)
        with watch.stage("encode"):
            items = self._encode(found)
        timings = encode_timings(task.queued_ns, watch.timings_ns)
        return SimilarItemsResponse(items=items, package=self._version, timings=timings)

    def _decode(self, request: SimilarItemsRequest) -> _SimilarQuery:
        violations = Violations()
        row = int(self._catalog.rows([request.item_id])[0])
        if row == PADDING:
            violations.add("item_id", f"{shown(request.item_id)} is not an item of the catalogue")
        k = request.k if request.HasField("k") else DEFAULT_K
        violations.check_integer("k", k, 1, MAX_K)
        if request.source:
            violations.check_known("source", request.source, tuple(self._likenesses))
        elif not self._likenesses:
            violations.add("source", "the package has neither item neighbours nor item vectors")
        filters = decode_filters(request.filters, self._defaults, violations)
        violations.raise_if_any()
        return _SimilarQuery(row, k, filters, self._likenesses[request.source or next(iter(self._likenesses))])

    def _encode(self, found: RowsAndScores) -> list[RankedItem]:
        rows_K = found.rows_BC[0][found.rows_BC[0] != PADDING]
        scores = found.scores_BC[0, : len(rows_K)].tolist()
        ids, titles = self._catalog.item_ids[rows_K], self._catalog.titles[rows_K]
        return [
            RankedItem(item_id=item_id, title=title, score=score)
            for item_id, title, score in zip(ids, titles, scores, strict=True)
        ]


def _likenesses(package: Package) -> dict[str, Likeness]:
    """By name of the source: those with neighbours first, then those with vectors, each in the manifest's order."""
    by_neighbours: dict[str, Likeness] = {}
    by_vectors: dict[str, Likeness] = {}
    for source in package.manifest.sources:
        if source.type == "item_neighbours":
            by_neighbours[source.name] = _ByNeighbours(package.neighbours[source.neighbours])
        elif source.type == "two_tower":
            by_vectors[source.name] = _ByVectors(_cosine(package.vectors[source.vectors]), package.num_threads)
    return by_neighbours | by_vectors


def _cosine(items: VectorIndex) -> VectorIndex:
    """The same vectors, compared by cosine."""
    if items.metric == "cosine":
        return items
    cosine = VectorIndex(items.dim, "cosine")
    cosine.add(items.ids, items.vectors(items.ids))
    return cosine
