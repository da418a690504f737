"""SearchService: exact nearest items of raw vectors."""

from __future__ import annotations

from typing import Any

from grpc import aio

from shortlist.v1.search_pb2 import SearchRequest, SearchResponse
from shortlist.v1.search_pb2_grpc import SearchServiceServicer
from shortlist_server.pipeline.query import MAX_K
from shortlist_server.pipeline.search import MAX_QUERIES, VectorSearch
from shortlist_server.rpc.deadline import deadline_of
from shortlist_server.rpc.door import Door, Lane

RESULTS_A_ROW = 10_000


class SearchService(SearchServiceServicer):
    """Hands requests to the door; `VectorSearch` does the work."""

    def __init__(self, door: Door, search: VectorSearch) -> None:
        self._door = door
        self._search: Lane[SearchRequest, SearchResponse] = Lane("search", search.run)

    async def Search(self, request: SearchRequest, context: aio.ServicerContext[Any, Any]) -> SearchResponse:
        """The exact top k of every query vector."""
        return await self._door.submit(
            self._search, request, deadline_at_s=deadline_of(context), num_rows=_num_rows(request)
        )


def _num_rows(request: SearchRequest) -> int:
    """What the search counts for at the door, where a lookup of a user counts 1; the request is not checked yet."""
    num_queries = request.queries.shape[0] if request.queries.shape else 0
    num_results = min(max(num_queries, 0), MAX_QUERIES) * min(max(request.k, 1), MAX_K)
    return 1 + num_results // RESULTS_A_ROW
