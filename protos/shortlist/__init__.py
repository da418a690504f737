"""Shortlist: which k of these million items, for this user, now, in which order, and why?

This package is what a caller needs: the contract and a thin client for it.

- client, aio: `Client` and `AsyncClient`
- options, replies: what they take and what they return
- errors: `ShortlistError` and its kinds
- encode, decode: between those and the messages of the contract; channel: how a connection is made
- vocabulary: the words and limits of the contract; events: reads the events of a data directory
- v1: the contract itself (protobuf) and its generated code
- cli: the `shortlist` command
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shortlist.aio import AsyncClient
    from shortlist.channel import Tls
    from shortlist.client import Client
    from shortlist.errors import (
        DeadlineExceededError,
        InvalidRequestError,
        NotServedError,
        OverloadedError,
        ShortlistError,
        UnavailableError,
    )
    from shortlist.options import (
        Boost,
        Diversity,
        Event,
        Exposure,
        Filters,
        Freshness,
        HistoryItem,
        RankOptions,
        RecommendOptions,
    )
    from shortlist.replies import (
        BecauseOf,
        ColdStart,
        Contribution,
        Degradation,
        FoundBy,
        HeadScore,
        ItemError,
        PackageVersion,
        RankedItem,
        Reason,
        Reply,
        ScoreParts,
        Violation,
    )

try:
    __version__ = version("shortlist")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"

__all__ = [
    "AsyncClient",
    "BecauseOf",
    "Boost",
    "Client",
    "ColdStart",
    "Contribution",
    "DeadlineExceededError",
    "Degradation",
    "Diversity",
    "Event",
    "Exposure",
    "Filters",
    "FoundBy",
    "Freshness",
    "HeadScore",
    "HistoryItem",
    "InvalidRequestError",
    "ItemError",
    "NotServedError",
    "OverloadedError",
    "PackageVersion",
    "RankOptions",
    "RankedItem",
    "Reason",
    "RecommendOptions",
    "Reply",
    "ScoreParts",
    "ShortlistError",
    "Tls",
    "UnavailableError",
    "Violation",
    "__version__",
]

# Where the names above are defined, the modules that load quickly first.
_HOMES = ("options", "replies", "errors", "channel", "client", "aio")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """A public name, imported when it is asked for: training reads `shortlist.events` and never loads gRPC."""
        if name in __all__:
            for home in _HOMES:
                module = import_module(f"{__name__}.{home}")
                if hasattr(module, name):
                    return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
