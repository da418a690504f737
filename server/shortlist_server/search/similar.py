"""Items similar to one item: no user, no ranker, so it takes a short cut past the pipeline.

Shapes: N items, K results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import RankedItem
from shortlist.v1.recommendation_pb2 import SimilarItemsRequest, SimilarItemsResponse
from shortlist.vocabulary import MAX_K
from shortlist_server.batching.deadline import Task, deadline_passed_error
from shortlist_server.batching.levels import StageCosts, Stopwatch
from shortlist_server.catalog.package import Package
from shortlist_server.errors import InvalidRequestError
from shortlist_server.pipeline.decoding.defaults import Defaults
from shortlist_server.pipeline.decoding.filters import decode_filters
from shortlist_server.pipeline.decoding.violations import Violations, shown
from shortlist_server.pipeline.encode import encode_timings, version_of
from shortlist_server.pipeline.filter import allowed_by_rules
from shortlist_server.pipeline.query import DEFAULT_K, Filters
from shortlist_server.pipeline.sources import Source
from shortlist_server.pipeline.types import PADDING


class _Query(NamedTuple):
    row: int
    k: int
    filters: Filters
    source: Source


class SimilarItems:
    """Answers `SimilarItems` over one package. Safe to run from several threads at once."""

    def __init__(self, package: Package) -> None:
        self._catalog = package.catalog
        self._defaults = Defaults.of(package)
        self._version = version_of(package.manifest)
        self._sources = {source.name: source for source in package.sources if _can_compare(source, package)}

    def run(self, tasks: Sequence[Task[SimilarItemsRequest]]) -> list[SimilarItemsResponse | Exception]:
        """A reply, or the error of that request alone, in order; what nobody waits for any more is not begun."""
        return [deadline_passed_error() if task.deadline.expired() else self._answer(task) for task in tasks]

    def _answer(self, task: Task[SimilarItemsRequest]) -> SimilarItemsResponse | Exception:
        # A stopwatch reports to costs; these requests have one level only, so nobody asks what their stages cost.
        watch = Stopwatch(StageCosts(), 1, before_ns=[("queue", task.queued_ns)])
        try:
            with watch.stage("decode"):
                query = self._decode(task.request)
        except InvalidRequestError as error:
            return error
        with watch.stage("filter"):
            mask_N = self._mask(query)
        with watch.stage("retrieve"):
            found = query.source.similar(query.row, mask_N, query.k)
        assert found is not None, f"{query.source.name} could compare items when the package was opened"
        with watch.stage("encode"):
            reply = self._encode(*found)
        reply.timings.extend(encode_timings(watch.timings_ns))
        return reply

    def _decode(self, request: SimilarItemsRequest) -> _Query:
        violations = Violations()
        row = int(self._catalog.rows([request.item_id])[0])
        if row == PADDING:
            violations.add("item_id", f"{shown(request.item_id)} is not an item of the catalogue")
        k = request.k if request.HasField("k") else DEFAULT_K
        violations.check_integer("k", k, 1, MAX_K)
        if request.source:
            violations.check_known("source", request.source, tuple(self._sources))
        elif not self._sources:
            violations.add("source", "no source of the package knows which items are similar")
        filters = decode_filters(request.filters, self._defaults, violations)
        violations.raise_if_any()
        return _Query(row, k, filters, self._sources[request.source or next(iter(self._sources))])

    def _mask(self, query: _Query) -> NDArray[np.bool_]:
        rules_N = allowed_by_rules(query.filters, self._catalog)
        mask_N = np.ones(self._catalog.num_items, dtype=np.bool_) if rules_N is None else rules_N.copy()
        mask_N[query.row] = False
        return mask_N

    def _encode(self, scores_K: NDArray[np.float32], rows_K: NDArray[np.int64]) -> SimilarItemsResponse:
        rows = rows_K[rows_K != PADDING].tolist()
        ids, titles = self._catalog.item_ids.take(rows), self._catalog.titles.take(rows)
        return SimilarItemsResponse(
            items=[
                RankedItem(item_id=item_id, title=title, score=score)
                for item_id, title, score in zip(ids, titles, scores_K[: len(rows)].tolist(), strict=True)
            ],
            package=self._version,
        )


def _can_compare(source: Source, package: Package) -> bool:
    """Asked for the likes of the first item among none: what a source answers says whether it has an idea of it."""
    nobody_N = np.zeros(package.catalog.num_items, dtype=np.bool_)
    return source.similar(0, nobody_N, 1) is not None
