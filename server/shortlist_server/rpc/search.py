"""SearchService: the exact top k items of raw query vectors."""

from __future__ import annotations

from typing import Any, Final

from grpc import aio

from shortlist.v1.search_pb2 import SearchRequest, SearchResponse
from shortlist.v1.search_pb2_grpc import SearchServiceServicer
from shortlist_server.batching.batcher import Batcher, Queue
from shortlist_server.batching.deadline import deadline_of
from shortlist_server.search.query import MAX_QUERIES
from shortlist_server.search.service import VectorSearch

QUERIES_A_ROW: Final = 4
"""64 rows, a full batch, are at most the 256 queries that one scan takes."""
MAX_SMALL: Final = 64
"""Queries of a request that does not wait behind larger ones."""


class SearchService(SearchServiceServicer):
    """Submits requests to two queues, both answered by `VectorSearch`.

    Large requests have a queue of their own, where thousands of queries may take seconds: a small one shares the cores
    with them instead of waiting for their end.
    """

    def __init__(self, batcher: Batcher, search: VectorSearch) -> None:
        self._small: Queue[SearchRequest, SearchResponse] = batcher.queue("search", search.run)
        self._large: Queue[SearchRequest, SearchResponse] = batcher.queue("large search", search.run)

    async def Search(self, request: SearchRequest, context: aio.ServicerContext[Any, Any]) -> SearchResponse:
        """The exact top k of every query vector."""
        num_queries = _num_queries(request)
        queue = self._small if num_queries <= MAX_SMALL else self._large
        num_rows = -(-num_queries // QUERIES_A_ROW)
        return await queue.submit(request, deadline_at_s=deadline_of(context), num_rows=num_rows)


def _num_queries(request: SearchRequest) -> int:
    """How many queries the request says that it has, within 1..MAX_QUERIES; it is not checked yet."""
    said = request.queries.shape[0] if request.queries.shape else 1
    return min(max(said, 1), MAX_QUERIES)
