"""Shortlist: which k of these million items, for this user, now, in which order, and why?

This package is what a caller needs: the contract and a thin client for it.

- client, aio: `Client` and `AsyncClient`
- options, replies: what they take and what they return
- errors: `ShortlistError` and its kinds
- encode, decode: between those and the messages of the contract; channel: how a connection is made
- events_file: reads events from CSV files
- v1: the contract itself (protobuf) and its generated code
- cli: the `shortlist` command
"""

from importlib.metadata import PackageNotFoundError, version

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
