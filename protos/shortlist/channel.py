"""How the client connects: channel options, credentials, retries. Shared by the sync and the async client."""

import ipaddress
import json
import re
from dataclasses import dataclass
from pathlib import Path

import grpc

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
SERVICES = ("RecommendationService", "SearchService", "EventService")

# Every RPC that the client calls may be repeated: they read, or they record an event once however often it is sent.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": f"shortlist.v1.{service}"} for service in SERVICES],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # Stops retrying while most calls fail, so that retries cannot keep an ailing server down.
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files for TLS: `ca` to trust instead of the system's roots; `certificate` and `key` to show (mutual TLS)."""

    ca: Path | str | None = None
    certificate: Path | str | None = None
    key: Path | str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises OSError when one cannot be read, ValueError when half of a pair is missing."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls: certificate and key come together")
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A checked target with all that opening a channel to it and calling over it needs."""

    target: str
    credentials: grpc.ChannelCredentials | None
    options: tuple[tuple[str, str | int], ...]
    metadata: tuple[tuple[str, str], ...]


def connection(target: str, token: str | None, tls: bool | Tls | None) -> Connection:
    """Check the arguments of a client.

    Raises ValueError for an empty target, a token that is no header value, and a token that would travel in plain text
    beyond this machine.
    """
    if not target:
        raise ValueError("target: '' is not HOST:PORT")
    if token is not None and not re.fullmatch(r"[!-~]+", token):
        raise ValueError("token: it must be printable ASCII without spaces")
    if token is not None and not tls and not is_loopback(target):
        raise ValueError(f"token: it would travel in plain text to {target}; give tls=True or a Tls")
    tls = Tls() if tls is True else tls or None
    return Connection(
        target=target,
        credentials=tls.credentials() if tls else None,
        options=channel_options(loopback=is_loopback(target)),
        metadata=(("authorization", f"Bearer {token}"),) if token is not None else (),
    )


def channel_options(*, loopback: bool) -> tuple[tuple[str, str | int], ...]:
    """The gRPC channel arguments."""
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.enable_retries", 1),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ]
    if loopback:  # a proxy from the environment would look for the server on its own machine
        options.append(("grpc.enable_http_proxy", 0))
    return tuple(options)


def is_loopback(target: str) -> bool:
    """Whether a gRPC target stays on this machine."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    address = re.sub(r"^(dns:(//[^/]*/)?|ipv4:|ipv6:)", "", target)
    addresses = address.split(",") if target.startswith(("ipv4:", "ipv6:")) else [address]
    return all(_is_loopback_host(_host(address)) for address in addresses)


def _host(address: str) -> str:
    """The host of HOST:PORT, [HOST]:PORT or HOST."""
    bracketed = re.fullmatch(r"\[(.*)\](:\w+)?", address)
    if bracketed:
        return bracketed[1]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(path: Path | str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
