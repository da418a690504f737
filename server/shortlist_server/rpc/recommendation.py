"""RecommendationService: the whole funnel, many users at once, the caller's candidates, similar items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from shortlist.v1.recommendation_pb2 import (
    ExplainRequest,
    ExplainResponse,
    RankRequest,
    RankResponse,
    RecommendBatchRequest,
    RecommendBatchResponse,
    RecommendRequest,
    RecommendResponse,
    RecommendResult,
    RecommendStreamRequest,
    RecommendStreamResponse,
    SimilarItemsRequest,
    SimilarItemsResponse,
)
from shortlist.v1.recommendation_pb2_grpc import RecommendationServiceServicer
from shortlist_server.errors import NotServed
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.similar import SimilarItems
from shortlist_server.pipeline.violations import Violations
from shortlist_server.rpc.deadline import deadline_of
from shortlist_server.rpc.door import Door, Lane
from shortlist_server.rpc.status import problem_of

Context = aio.ServicerContext[Any, Any]

MAX_BATCH_REQUESTS = 256


class RecommendationService(RecommendationServiceServicer):
    """Hands requests to the door; the funnel does the work."""

    def __init__(self, door: Door, pipeline: Pipeline, similar: SimilarItems) -> None:
        self._door = door
        self._funnel: Lane[Any, Any] = Lane("funnel", pipeline.run, pipeline.least_s)
        self._similar: Lane[SimilarItemsRequest, SimilarItemsResponse] = Lane("similar", similar.run)

    async def Recommend(self, request: RecommendRequest, context: Context) -> RecommendResponse:
        """One user."""
        reply: RecommendResponse = await self._door.submit(self._funnel, request, deadline_at_s=deadline_of(context))
        return reply

    async def RecommendBatch(self, request: RecommendBatchRequest, context: Context) -> RecommendBatchResponse:
        """Many users; each request is answered, or fails, alone."""
        violations = Violations()
        violations.check_count("requests", request.requests, MAX_BATCH_REQUESTS, low=1)
        violations.raise_if_any()
        deadline_at_s = deadline_of(context)
        outcomes = await asyncio.gather(
            *(self._door.submit(self._funnel, one, deadline_at_s=deadline_at_s) for one in request.requests),
            return_exceptions=True,
        )
        return RecommendBatchResponse(results=[_result(outcome) for outcome in outcomes])

    async def RecommendStream(
        self, request_iterator: AsyncIterator[RecommendStreamRequest], context: Context
    ) -> AsyncIterator[RecommendStreamResponse]:
        """Not served yet."""
        raise NotServed("RecommendStream is not served yet; use Recommend or RecommendBatch")
        yield  # makes this the asynchronous generator that the RPC needs

    async def Rank(self, request: RankRequest, context: Context) -> RankResponse:
        """The caller's candidates."""
        reply: RankResponse = await self._door.submit(self._funnel, request, deadline_at_s=deadline_of(context))
        return reply

    async def SimilarItems(self, request: SimilarItemsRequest, context: Context) -> SimilarItemsResponse:
        """The neighbours of one item."""
        return await self._door.submit(self._similar, request, deadline_at_s=deadline_of(context))

    async def Explain(self, request: ExplainRequest, context: Context) -> ExplainResponse:
        """Not served yet."""
        raise NotServed("Explain is not served yet; Recommend with EXPLANATION_LEVEL_FULL explains what it returns")


def _result(outcome: RecommendResponse | BaseException) -> RecommendResult:
    if isinstance(outcome, Exception):
        return RecommendResult(error=problem_of(outcome, "RecommendBatch").to_request_error())
    if isinstance(outcome, BaseException):
        raise outcome
    return RecommendResult(response=outcome)
