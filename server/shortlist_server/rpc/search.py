"""SearchService: exact nearest items of raw vectors."""

from __future__ import annotations

from typing import Any

from grpc import aio

from shortlist.v1.search_pb2 import SearchRequest, SearchResponse
from shortlist.v1.search_pb2_grpc import SearchServiceServicer
from shortlist_server.pipeline.search import VectorSearch
from shortlist_server.rpc.deadline import deadline_of
from shortlist_server.rpc.door import Door, Lane


class SearchService(SearchServiceServicer):
    """Hands requests to the door; `VectorSearch` does the work."""

    def __init__(self, door: Door, search: VectorSearch) -> None:
        self._door = door
        self._search: Lane[SearchRequest, SearchResponse] = Lane("search", search.run)

    async def Search(self, request: SearchRequest, context: aio.ServicerContext[Any, Any]) -> SearchResponse:
        """The exact top k of every query vector."""
        return await self._door.submit(self._search, request, deadline_at_s=deadline_of(context))
