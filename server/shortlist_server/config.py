"""Settings of the server: defaults here, then one TOML file, then flags; checked once, before anything starts.

This is the only module that reads a settings file. No environment variable changes what the server does.
"""

from __future__ import annotations

import difflib
import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shortlist_kernels import available_cores

_Positive = Annotated[StrictInt, Field(ge=1)]
_CONFIG: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much may wait and how much is kept: the `[limits]` table of the file. What one request may ask for is fixed
    by the contract, not here.
    """

    __pydantic_config__ = _CONFIG

    max_message_bytes: Annotated[StrictInt, Field(ge=1024, le=2**31 - 1)] = 16 * 2**20
    """Largest gRPC message in either direction."""
    max_batch_rows: _Positive = 64
    """Most requests that share one pass of the pipeline; in a search, up to 4 queries count as one."""
    max_waiting_requests: _Positive = 1024
    """Requests that may wait for the pipeline before new ones are refused as overload."""
    max_waiting_events: _Positive = 100_000
    """Events that may wait for the store before new ones are refused as overload."""
    max_profile_items: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 10_000
    """Most recent entries that a user's profile keeps; the event log keeps all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that may differ between two servers. `package` is the only one without a default."""

    __pydantic_config__ = _CONFIG

    package: Path
    """The model package to serve."""
    models: Path | None = None
    """A repository of further ONNX models, `<model>/<version>/model.onnx`. This version refuses it."""
    state: Path = Path("shortlist-state")
    """Directory of the event store; made, with nothing in it, where there is none."""
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[StrictInt, Field(ge=0, le=65535)] = 8500
    """Port to listen on; 0 takes a free one."""
    allow_plaintext: StrictBool = False
    """Listen without TLS on an address that other machines reach."""
    workers: Annotated[StrictInt, Field(ge=1, le=256)] = 1
    """Server processes that share the port."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where models run; "cuda" falls back to the CPU, with a warning, where there is none."""
    threads: Annotated[StrictInt, Field(ge=1, le=256)] | None = None
    """Threads of one process for one scan of the vectors and for one run of a model. None: the cores that the server
    may use, shared equally by the workers, at least 1 (`threads_per_worker`)."""
    rows_per_run: Annotated[StrictInt, Field(ge=1, le=1024)] = 4
    """Users of one run of a graph over histories: a lone one pays for all of them, a full batch saves calls."""
    drain_seconds: Annotated[StrictFloat, Field(ge=0, le=3600)] = 10.0
    """How long in-flight work may take to finish after SIGTERM."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log line to write."""
    limits: Limits = field(default_factory=Limits)

    @property
    def threads_per_worker(self) -> int:
        """Threads of one process for one scan or one run of a model: all workers together fill the cores once."""
        return self.threads or max(1, available_cores() // self.workers)


def load_settings(config: Path | None, flags: Mapping[str, object]) -> Settings:
    """Settings from the TOML file (if any) overlaid with the flags that are not None.

    Raises ValueError, one line, naming the file and the key and value that are wrong.
    """
    values = _read_toml(config) if config else {}
    from_flags = {name: value for name, value in flags.items() if value is not None}
    try:
        settings: Settings = TypeAdapter(Settings).validate_python({**values, **from_flags})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        in_file = config is not None and str(fault["loc"][0]) not in from_flags
        raise ValueError(f"{config}: {_describe(fault)}" if in_file else _describe(fault)) from None
    if settings.models is not None:
        raise ValueError(f"models: {str(settings.models)!r}: this version serves the models of its package only")
    if not settings.allow_plaintext and not _is_loopback(settings.host):
        raise ValueError(
            f"host: {settings.host!r} is reachable from other machines and this server speaks plain text; "
            "give --allow-plaintext (in a file: allow_plaintext = true) if that is what you want"
        )
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: not TOML: {error}") from None


def _describe(fault: ErrorDetails) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "unexpected_keyword_argument":
        parent, _, name = key.rpartition(".")
        known = [entry.name for entry in fields(Limits if parent else Settings)]
        close = difflib.get_close_matches(name, known, n=1)
        return f"unknown key {key!r}" + (f", did you mean {close[0]!r}?" if close else "")
    if fault["type"] == "missing":
        return f"{key}: must be given"
    message = fault["msg"]
    return f"{key}: {message[0].lower()}{message[1:]}, got {fault['input']!r}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
