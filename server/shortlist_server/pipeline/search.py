"""Exact nearest items of raw query vectors, for harnesses and other services: decode -> scan -> encode.

Shapes: Q queries of one request, K results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from shortlist.v1.answer_pb2 import PackageVersion
from shortlist.v1.search_pb2 import SearchRequest, SearchResponse
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_INT64, Tensor
from shortlist_server.catalog.package import Package
from shortlist_server.errors import InvalidRequest
from shortlist_server.pipeline.batch import PADDING
from shortlist_server.pipeline.search_query import DEFAULT_SPACE, SearchDecoder, SearchQuery
from shortlist_server.pipeline.search_scan import Found, plan_scans, scan_alone, scan_together
from shortlist_server.pipeline.task import Task, late


class VectorSearch:
    """Answers `Search` over the vector spaces of one package. Safe to run from several threads at once."""

    def __init__(self, package: Package, *, max_reply_bytes: int) -> None:
        self._item_ids = package.catalog.item_ids
        self._version = PackageVersion(name=package.manifest.name, id=package.manifest.package_id)
        towers = [source.vectors for source in package.manifest.sources if source.type == "two_tower"]
        default = package.vectors[(towers or [package.manifest.rerank.vectors])[0]]
        spaces = {**package.vectors, DEFAULT_SPACE: package.vectors.get(DEFAULT_SPACE, default)}
        self._decoder = SearchDecoder(spaces, package.catalog, max_reply_bytes)
        self._num_threads = package.num_threads

    def run(self, tasks: Sequence[Task[SearchRequest]]) -> list[SearchResponse | Exception]:
        """A reply, or the error of that request alone, in order; what nobody waits for any more is not begun.

        Requests share scans; each gets the bytes that it would get alone.
        """
        decoded = [self._decode(task) for task in tasks]
        outcomes: list[SearchResponse | Exception] = [
            outcome if isinstance(outcome, Exception) else late() for outcome in decoded
        ]
        good = [(position, query) for position, query in enumerate(decoded) if isinstance(query, SearchQuery)]
        for scan in plan_scans([query for _, query in good]):
            live = [good[number] for number in scan if not tasks[good[number][0]].deadline.expired()]
            expired = [tasks[position].deadline.expired for position, _ in live]
            found = self._scan([query for _, query in live], expired) if live else []
            for (position, query), results in zip(live, found, strict=True):
                if results is not None:
                    outcomes[position] = self._encode(results, rows_only=query.rows_only)
        return outcomes

    def _decode(self, task: Task[SearchRequest]) -> SearchQuery | Exception:
        if task.deadline.expired():
            return late()
        try:
            return self._decoder.decode(task.request)
        except InvalidRequest as error:
            return error

    def _scan(self, queries: Sequence[SearchQuery], expired: Sequence[Callable[[], bool]]) -> Sequence[Found | None]:
        if len(queries) == 1:
            return [scan_alone(queries[0], self._num_threads, expired[0])]
        return scan_together(queries, self._num_threads)

    def _encode(self, found: Found, *, rows_only: bool) -> SearchResponse:
        scores_QK, rows_QK = found
        item_ids: list[str] = []
        if not rows_only:
            flat = rows_QK.ravel()
            item_ids = np.where(flat == PADDING, "", self._item_ids[flat]).tolist()
        return SearchResponse(
            scores=Tensor(
                data_type=DATA_TYPE_FLOAT32, shape=scores_QK.shape, data=scores_QK.astype("<f4", copy=False).tobytes()
            ),
            rows=Tensor(
                data_type=DATA_TYPE_INT64, shape=rows_QK.shape, data=rows_QK.astype("<i8", copy=False).tobytes()
            ),
            item_ids=item_ids,
            package=self._version,
        )
