"""A real server on a loopback port, with the small package and a store in a temporary directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from grpc_status import rpc_status

import shortlist
from shortlist.v1.event_pb2_grpc import EventServiceStub
from shortlist.v1.recommendation_pb2_grpc import RecommendationServiceStub
from shortlist.v1.search_pb2_grpc import SearchServiceStub
from shortlist_server.config import Settings
from tests.server.background import Background

Refused: TypeAlias = Callable[[Callable[[], Any]], "grpc.RpcError"]


@pytest.fixture(scope="session")
def target(package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(package=package_dir, state=tmp_path_factory.mktemp("served") / "state", port=0)
    with Background(settings) as address:
        yield address


@pytest.fixture(scope="session")
def client(target: str) -> Iterator[shortlist.Client]:
    with shortlist.Client(target, timeout_s=30.0) as connected:
        yield connected


@pytest.fixture(scope="session")
def channel(target: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(target) as connected:
        yield connected


@pytest.fixture(scope="session")
def recommendation(channel: grpc.Channel) -> RecommendationServiceStub:
    return RecommendationServiceStub(channel)


@pytest.fixture(scope="session")
def events(channel: grpc.Channel) -> EventServiceStub:
    return EventServiceStub(channel)


@pytest.fixture(scope="session")
def search(channel: grpc.Channel) -> SearchServiceStub:
    return SearchServiceStub(channel)


@pytest.fixture(scope="session")
def details() -> Callable[[grpc.RpcError], dict[str, Any]]:
    """The google.rpc details of a failed call, by the name of their message."""

    def unpack(error: grpc.RpcError) -> dict[str, Any]:
        from google.rpc import error_details_pb2  # type: ignore[import-untyped,unused-ignore]

        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        assert status is not None
        found = {}
        for packed in status.details:
            name = packed.TypeName().rpartition(".")[2]
            message = getattr(error_details_pb2, name)()
            assert packed.Unpack(message)
            found[name] = message
        return found

    return unpack
