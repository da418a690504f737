"""The client for code that waits for its calls. `aio` mirrors it."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar, Unpack

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

_RequestT = TypeVar("_RequestT")
_ResponseT = TypeVar("_ResponseT")


class Client:
    """A connection to a Shortlist server, for any number of threads. Close it, or use it as a context manager.

    target: HOST:PORT or any gRPC target; the calls go round all addresses that it resolves to.
    token: sent as `authorization: Bearer`, over TLS or on this machine only (else ValueError).
    tls: True for the system's roots, or a Tls with files; None or False for plain text.
    timeout_s: the deadline of each call, retries included; every method takes its own `timeout_s` too.
    wait_for_ready: wait for a server up to the deadline instead of failing when there is none.

    Calls that meet UNAVAILABLE are repeated, up to 4 attempts in all. Every method raises ShortlistError when its call
    fails, and ValueError for arguments that cannot be sent.
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
        to = connection(target, token, tls)
        self._channel = (
            grpc.insecure_channel(to.target, to.options)
            if to.credentials is None
            else grpc.secure_channel(to.target, to.credentials, to.options)
        )
        self._metadata = to.metadata
        self._timeout_s = timeout_s
        self._wait_for_ready = wait_for_ready
        self._recommendation = RecommendationServiceStub(self._channel)
        self._search = SearchServiceStub(self._channel)
        self._event = EventServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        self._channel.close()

    def recommend(self, *, timeout_s: float | None = None, **options: Unpack[RecommendOptions]) -> Reply:
        """Recommend items to one user. Keyword arguments: see RankOptions and RecommendOptions.

        An unknown user is no error: popular items come back, and `degraded` says why.
        """
        request = encode.recommend_request(options)
        return decode.recommendations(self._call(self._recommendation.Recommend, request, timeout_s))

    def recommend_batch(
        self, requests: Sequence[RecommendOptions], *, timeout_s: float | None = None
    ) -> list[Reply | ShortlistError]:
        """Recommend to up to 256 users in one call, each described by the keyword arguments of `recommend` as a dict.

        The results stand in the order of the requests; a request that failed has its error in its place.
        """
        request = RecommendBatchRequest(requests=[encode.recommend_request(options) for options in requests])
        return decode.batch(self._call(self._recommendation.RecommendBatch, request, timeout_s))

    def rank(self, *, item_ids: Sequence[str], timeout_s: float | None = None, **options: Unpack[RankOptions]) -> Reply:
        """Score and order up to 2,000 candidates for one user. Keyword arguments: see RankOptions.

        Candidates that could not be ranked are in the reply's `item_errors`.
        """
        request = encode.rank_request(item_ids, options)
        return decode.ranking(self._call(self._recommendation.Rank, request, timeout_s))

    def similar_items(
        self,
        item_id: str,
        k: int | None = None,
        *,
        filters: Filters | None = None,
        source: str = "",
        timeout_s: float | None = None,
    ) -> Reply:
        """Find the k (default 10) items most similar to one item, by the package's or the named source."""
        request = encode.similar_items_request(item_id, k, filters, source)
        return decode.similar_items(self._call(self._recommendation.SimilarItems, request, timeout_s))

    def search(
        self,
        vectors: ArrayLike,
        k: int = 10,
        space: str = "items",
        *,
        allow: Sequence[str] = (),
        exclude: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
        """Find the exact top k items of query vectors (Q, D): scores (Q, k) float32 and item ids (Q, k).

        Where fewer than k items are allowed, scores are -inf and ids "". One vector (D,) gives arrays (1, k).
        """
        request = encode.search_request(vectors, k, space, allow, exclude)
        return decode.search_results(self._call(self._search.Search, request, timeout_s))

    def record_events(self, events: Iterable[Event], *, timeout_s: float | None = None) -> int:
        """Record events, durably, in messages of at most 10,000, each with its own deadline; returns how many were new.

        When it raises, earlier messages are recorded; sending all again is safe, for equal events count once.
        """
        requests = encode.record_events_requests(events)
        return sum(self._call(self._event.RecordEvents, request, timeout_s).num_recorded for request in requests)

    def _call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[_RequestT, _ResponseT]",
        request: _RequestT,
        timeout_s: float | None,
    ) -> _ResponseT:
        try:
            return method(
                request,
                timeout=self._timeout_s if timeout_s is None else timeout_s,
                metadata=self._metadata,
                wait_for_ready=self._wait_for_ready,
            )
        except grpc.RpcError as error:
            raise from_call(error) from error
