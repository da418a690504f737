"""Exact nearest items of raw query vectors, for harnesses and other services: decode -> scan -> encode.

Shapes: Q queries of one request, K results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shortlist.v1.search_pb2 import SearchRequest, SearchResponse
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_INT64, Tensor
from shortlist_server.batching.deadline import Task, deadline_passed_error
from shortlist_server.catalog.package import Package
from shortlist_server.errors import InvalidRequestError
from shortlist_server.pipeline.encode import version_of
from shortlist_server.pipeline.types import PADDING
from shortlist_server.search.query import DEFAULT_SPACE, SearchDecoder, SearchQuery
from shortlist_server.search.scan import Found, plan_scans, scan_alone, scan_together


class VectorSearch:
    """Answers `Search` over the vector spaces of one package. Safe to run from several threads at once."""

    def __init__(self, package: Package, *, max_reply_bytes: int) -> None:
        self._item_ids = package.catalog.item_ids
        self._version = version_of(package.manifest)
        spaces = dict(package.spaces)
        if spaces:
            spaces.setdefault(DEFAULT_SPACE, next(iter(spaces.values())))
        self._decoder = SearchDecoder(spaces, package.catalog, max_reply_bytes)

    def run(self, tasks: Sequence[Task[SearchRequest]]) -> list[SearchResponse | Exception]:
        """A reply, or the error of that request alone, in order; what nobody waits for any more is not begun.

        Requests share scans; each gets the bytes that it would get alone.
        """
        decoded = [self._decode(task) for task in tasks]
        outcomes: list[SearchResponse | Exception] = [
            outcome if isinstance(outcome, Exception) else deadline_passed_error() for outcome in decoded
        ]
        good = [(index, query) for index, query in enumerate(decoded) if isinstance(query, SearchQuery)]
        for scan in plan_scans([query for _, query in good]):
            live = [good[member] for member in scan if not tasks[good[member][0]].deadline.expired()]
            expired = [tasks[index].deadline.expired for index, _ in live]
            found = self._scan([query for _, query in live], expired) if live else []
            for (index, query), results in zip(live, found, strict=True):
                if results is not None:
                    outcomes[index] = self._encode(results, rows_only=query.rows_only)
        return outcomes

    def _decode(self, task: Task[SearchRequest]) -> SearchQuery | Exception:
        if task.deadline.expired():
            return deadline_passed_error()
        try:
            return self._decoder.decode(task.request)
        except InvalidRequestError as error:
            return error

    def _scan(self, queries: Sequence[SearchQuery], expired: Sequence[Callable[[], bool]]) -> Sequence[Found | None]:
        if len(queries) == 1:
            return [scan_alone(queries[0], expired[0])]
        return scan_together(queries)

    def _encode(self, found: Found, *, rows_only: bool) -> SearchResponse:
        scores_QK, rows_QK = found
        item_ids: list[str] = []
        if not rows_only:
            item_ids = ["" if row == PADDING else self._item_ids[row] for row in rows_QK.ravel().tolist()]
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
