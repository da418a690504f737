"""Scripted servers for the tests of the client."""

from collections.abc import Callable, Iterator

import grpc
import pytest

from tests.protos.scripted_server import MAX_WAIT_S, Script, start_server

Serve = Callable[[grpc.ServerCredentials | None], Script]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts scripted servers, with TLS if credentials are given, and stops them."""
    servers: list[grpc.Server] = []

    def start(credentials: grpc.ServerCredentials | None) -> Script:
        server, script = start_server(credentials)
        servers.append(server)
        return script

    yield start
    for server in servers:
        server.stop(0).wait(MAX_WAIT_S)


@pytest.fixture
def script(serve: Serve) -> Script:
    """A scripted server in plain text."""
    return serve(None)
