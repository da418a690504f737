"""A real gRPC server on a loopback port that answers from a script and keeps what it was sent."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2  # type: ignore[import-untyped,unused-ignore]

from shortlist.v1.event_pb2_grpc import EventServiceServicer, add_EventServiceServicer_to_server
from shortlist.v1.recommendation_pb2_grpc import (
    RecommendationServiceServicer,
    add_RecommendationServiceServicer_to_server,
)
from shortlist.v1.search_pb2_grpc import SearchServiceServicer, add_SearchServiceServicer_to_server

MAX_WAIT_S = 30.0


@dataclass(frozen=True)
class Failure:
    """A failed call with the bytes of its google.rpc.Status."""

    code: grpc.StatusCode
    message: str
    details: bytes


@dataclass
class Script:
    """What to answer, in order, and what came: requests, their metadata and the seconds they were given."""

    answers: "deque[Message | Failure | str]" = field(default_factory=deque)
    requests: list[Message] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    seconds_given: list[float] = field(default_factory=list)
    target: str = ""

    def fail(self, code: grpc.StatusCode, message: str, *details: Message) -> None:
        """Answer the next call with an error and these google.rpc details."""
        status = status_pb2.Status(code=code.value[0], message=message)
        for detail in details:
            status.details.add().Pack(detail)
        self.fail_with_raw_details(code, message, status.SerializeToString())

    def fail_with_raw_details(self, code: grpc.StatusCode, message: str, details: bytes) -> None:
        """Answer the next call with an error and these bytes where its google.rpc.Status belongs."""
        self.answers.append(Failure(code, message, details))

    def __call__(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Answer one call. "hang" waits until the caller gives up."""
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.seconds_given.append(context.time_remaining())
        answer = self.answers.popleft()
        if answer == "hang":
            gone = threading.Event()
            if context.add_callback(gone.set):
                assert gone.wait(MAX_WAIT_S)
            context.abort(grpc.StatusCode.CANCELLED, "the caller has gone")
        if isinstance(answer, Failure):
            context.set_trailing_metadata((("grpc-status-details-bin", answer.details),))
            context.abort(answer.code, answer.message)
        assert isinstance(answer, Message)
        return answer


class ScriptedServicer(RecommendationServiceServicer, SearchServiceServicer, EventServiceServicer):
    def __init__(self, script: Script) -> None:
        self.Recommend: Any = script
        self.RecommendBatch: Any = script
        self.Rank: Any = script
        self.SimilarItems: Any = script
        self.Search: Any = script
        self.RecordEvents: Any = script


def start_server(credentials: grpc.ServerCredentials | None) -> tuple[grpc.Server, Script]:
    """Start a scripted server on a free loopback port; with TLS if credentials are given."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    script = Script()
    servicer = ScriptedServicer(script)
    add_RecommendationServiceServicer_to_server(servicer, server)
    add_SearchServiceServicer_to_server(servicer, server)
    add_EventServiceServicer_to_server(servicer, server)
    if credentials is None:
        script.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    else:
        script.target = f"localhost:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()
    return server, script
