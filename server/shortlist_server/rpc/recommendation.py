"""RecommendationService: recommend to one user or many, rank the caller's candidates, find similar items."""

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
from shortlist_server.batching.batcher import Batcher, Queue
from shortlist_server.batching.deadline import deadline_of
from shortlist_server.errors import NotServedError
from shortlist_server.pipeline.decoding.violations import Violations
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.rpc.status import problem_of
from shortlist_server.search.similar import SimilarItems

Context = aio.ServicerContext[Any, Any]

MAX_BATCH_REQUESTS = 256
"""Most requests of one RecommendBatch, as the contract says."""


class RecommendationService(RecommendationServiceServicer):
    """Submits requests to two queues, answered by `Pipeline` and by `SimilarItems`."""

    def __init__(self, batcher: Batcher, pipeline: Pipeline, similar: SimilarItems) -> None:
        # Any: one queue takes requests to recommend and to rank, and each gets the reply of its own kind.
        self._pipeline: Queue[Any, Any] = batcher.queue("pipeline", pipeline.run, pipeline.least_s)
        self._similar: Queue[SimilarItemsRequest, SimilarItemsResponse] = batcher.queue("similar items", similar.run)

    async def Recommend(self, request: RecommendRequest, context: Context) -> RecommendResponse:
        """Recommend items to one user."""
        reply: RecommendResponse = await self._pipeline.submit(request, deadline_at_s=deadline_of(context))
        return reply

    async def RecommendBatch(self, request: RecommendBatchRequest, context: Context) -> RecommendBatchResponse:
        """Recommend to many users; each request is answered, or fails, alone."""
        violations = Violations()
        violations.check_count("requests", request.requests, MAX_BATCH_REQUESTS, low=1)
        violations.raise_if_any()
        deadline_at_s = deadline_of(context)
        outcomes = await asyncio.gather(
            *(self._pipeline.submit(one, deadline_at_s=deadline_at_s) for one in request.requests),
            return_exceptions=True,
        )
        return RecommendBatchResponse(results=[_result(outcome) for outcome in outcomes])

    async def RecommendStream(
        self, request_iterator: AsyncIterator[RecommendStreamRequest], context: Context
    ) -> AsyncIterator[RecommendStreamResponse]:
        """Not served yet."""
        raise NotServedError("RecommendStream is not served yet; use Recommend or RecommendBatch")
        yield  # makes this the asynchronous generator that the RPC needs

    async def Rank(self, request: RankRequest, context: Context) -> RankResponse:
        """Score and re-rank the candidates that the caller names."""
        reply: RankResponse = await self._pipeline.submit(request, deadline_at_s=deadline_of(context))
        return reply

    async def SimilarItems(self, request: SimilarItemsRequest, context: Context) -> SimilarItemsResponse:
        """Return the items most similar to one item."""
        return await self._similar.submit(request, deadline_at_s=deadline_of(context))

    async def Explain(self, request: ExplainRequest, context: Context) -> ExplainResponse:
        """Not served yet."""
        raise NotServedError(
            "Explain is not served yet; Recommend with EXPLANATION_LEVEL_FULL explains what it returns"
        )


def _result(outcome: RecommendResponse | BaseException) -> RecommendResult:
    if isinstance(outcome, Exception):
        return RecommendResult(error=problem_of(outcome, "RecommendBatch").to_request_error())
    if isinstance(outcome, BaseException):
        raise outcome
    return RecommendResult(response=outcome)
