"""The client for asyncio: the same methods as `client`, awaited."""

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack, cast

import grpc
import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist import decode, encode
from shortlist.channel import Tls, connection
from shortlist.errors import ShortlistError, from_call
from shortlist.options import Event, Filters, RankOptions, RecommendOptions
from shortlist.replies import Reply
from shortlist.v1.event_pb2_grpc import EventServiceStub
from shortlist.v1.recommendation_pb2 import RecommendBatchRequest
from shortlist.v1.recommendation_pb2_grpc import RecommendationServiceStub
from shortlist.v1.search_pb2_grpc import SearchServiceStub

if TYPE_CHECKING:
    from shortlist.v1.event_pb2_grpc import EventServiceAsyncStub
    from shortlist.v1.recommendation_pb2_grpc import RecommendationServiceAsyncStub
    from shortlist.v1.search_pb2_grpc import SearchServiceAsyncStub

_RequestT = TypeVar("_RequestT")
_ResponseT = TypeVar("_ResponseT")


class AsyncClient:
    """A connection to a Shortlist server, for one event loop. Close it, or use it as an async context manager.

    Arguments and errors are those of Client. Make it inside a running event loop (else RuntimeError).
    """

    def __init__(
        self,
        target: str,
        *,
        token: str | None = None,
        tls: bool | Tls | None = None,
        timeout_s: float = 5.0,
        wait_for_ready: bool = False,
    ) -> None:
        asyncio.get_running_loop()
        to = connection(target, token, tls)
        self._channel = (
            grpc.aio.insecure_channel(to.target, to.options)
            if to.credentials is None
            else grpc.aio.secure_channel(to.target, to.credentials, to.options)
        )
        self._metadata = to.metadata
        self._timeout_s = timeout_s
        self._wait_for_ready = wait_for_ready
        self._recommendation = cast("RecommendationServiceAsyncStub", RecommendationServiceStub(self._channel))
        self._search = cast("SearchServiceAsyncStub", SearchServiceStub(self._channel))
        self._event = cast("EventServiceAsyncStub", EventServiceStub(self._channel))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def recommend(self, *, timeout_s: float | None = None, **options: Unpack[RecommendOptions]) -> Reply:
        """As Client.recommend."""
        request = encode.recommend_request(options)
        return decode.recommendations(await self._call(self._recommendation.Recommend, request, timeout_s))

    async def recommend_batch(
        self, requests: Sequence[RecommendOptions], *, timeout_s: float | None = None
    ) -> list[Reply | ShortlistError]:
        """As Client.recommend_batch."""
        request = RecommendBatchRequest(requests=[encode.recommend_request(options) for options in requests])
        return decode.batch(await self._call(self._recommendation.RecommendBatch, request, timeout_s))

    async def rank(
        self, *, item_ids: Sequence[str], timeout_s: float | None = None, **options: Unpack[RankOptions]
    ) -> Reply:
        """As Client.rank."""
        request = encode.rank_request(item_ids, options)
        return decode.ranking(await self._call(self._recommendation.Rank, request, timeout_s))

    async def similar_items(
        self,
        item_id: str,
        k: int | None = None,
        *,
        filters: Filters | None = None,
        source: str = "",
        timeout_s: float | None = None,
    ) -> Reply:
        """As Client.similar_items."""
        request = encode.similar_items_request(item_id, k, filters, source)
        return decode.similar_items(await self._call(self._recommendation.SimilarItems, request, timeout_s))

    async def search(
        self,
        vectors: ArrayLike,
        k: int = 10,
        space: str = "items",
        *,
        allow: Sequence[str] = (),
        exclude: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
        """As Client.search."""
        request = encode.search_request(vectors, k, space, allow, exclude)
        return decode.search_results(await self._call(self._search.Search, request, timeout_s))

    async def record_events(self, events: Iterable[Event], *, timeout_s: float | None = None) -> int:
        """As Client.record_events."""
        num_recorded = 0
        for request in encode.record_events_requests(events):
            num_recorded += (await self._call(self._event.RecordEvents, request, timeout_s)).num_recorded
        return num_recorded

    async def _call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[_RequestT, _ResponseT]",
        request: _RequestT,
        timeout_s: float | None,
    ) -> _ResponseT:
        try:
            return await method(
                request,
                timeout=self._timeout_s if timeout_s is None else timeout_s,
                metadata=self._metadata,
                wait_for_ready=self._wait_for_ready,
            )
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from error
