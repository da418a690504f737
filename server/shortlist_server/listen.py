"""The port: held before anything is built, bound when the server is, and the message that it serves."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from grpc import aio

from shortlist_server.config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A server answers: the package that it serves, and the HOST:PORT where."""

    package_id: str
    address: str

    def __str__(self) -> str:
        """The line that `shortlist serve` prints, for people and for programs that started it as a process."""
        return f"serving {self.package_id} on {self.address}"

    @classmethod
    def parse(cls, line: str) -> Ready:
        """What a printed line says. Raises ValueError when it is not that line, or empty because the server ended."""
        words = line.split()
        if len(words) != 4 or (words[0], words[2]) != ("serving", "on"):
            raise ValueError(f"not the line of a server that is ready: {line.strip()!r}")
        return cls(package_id=words[1], address=words[3])


def hold_port(settings: Settings, *, shared: bool) -> socket.socket:
    """A socket that holds the port without listening on it; when `shared`, servers that share it can bind it too.

    One that is taken is told before anything is built. Raises OSError, one line, when the port is taken or the address
    is not of this machine.
    """
    host = settings.host.strip("[]")
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    # Like gRPC's own: a port whose last connections are still fading away is free.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if shared else socket.SO_REUSEADDR, 1)
    try:
        held.bind((host, settings.port))
    except OSError as error:
        held.close()
        raise OSError(f"cannot listen on {address_of(settings.host, settings.port)}: {error.strerror}") from None
    return held


def server_options(settings: Settings, *, shared_port: bool) -> list[tuple[str, int]]:
    """The options of the gRPC server. Without `so_reuseport` off, a second server on the same port would start and
    take half of the calls.
    """
    return [
        ("grpc.so_reuseport", int(shared_port)),
        ("grpc.max_receive_message_length", settings.limits.max_message_bytes),
        ("grpc.max_send_message_length", settings.limits.max_message_bytes),
    ]


def listen(server: aio.Server, settings: Settings) -> str:
    """Bind the port and return the HOST:PORT that was bound. Raises OSError when it cannot be."""
    address = address_of(settings.host, settings.port)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if not port:
        raise OSError(f"cannot listen on {address}: the port is taken or the address is not of this machine")
    return address_of(settings.host, port)


def address_of(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
