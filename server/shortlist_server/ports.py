"""The port, looked at before anything is built: one that is taken is told at once, and leaves nothing behind."""

from __future__ import annotations

import socket

from shortlist_server.config import Settings


def hold_port(settings: Settings, *, shared: bool) -> socket.socket:
    """A socket that holds the port without listening on it; when `shared`, servers that share it can bind it too.

    Raises OSError, one line, when the port is taken or the address is not of this machine.
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


def address_of(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
