"""A request on its way through the server: what was asked, how long it waited, and until when an answer is of use."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from grpc import aio

from shortlist_server.errors import DeadlineImpossibleError

RequestT = TypeVar("RequestT")


def _never_cancelled() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A point on a monotonic clock, in seconds, and a function that says whether the caller has gone away."""

    at_s: float = math.inf
    cancelled: Callable[[], bool] = field(default=_never_cancelled)
    clock: Callable[[], float] = field(default=time.monotonic)

    def remaining_s(self) -> float:
        """Seconds left; negative when it has passed, infinite when there is none."""
        return self.at_s - self.clock()

    def expired(self) -> bool:
        """True when the answer would come too late or nobody waits for it."""
        return self.cancelled() or self.remaining_s() <= 0.0


UNLIMITED = Deadline()


@dataclass(frozen=True, slots=True)
class Task(Generic[RequestT]):
    """A request, its deadline, and how long it waited before its batch was begun."""

    request: RequestT
    deadline: Deadline = UNLIMITED
    queued_ns: int = 0


def deadline_of(context: aio.ServicerContext[Any, Any]) -> float:
    """When the caller of this gRPC call gives up, in seconds of `time.monotonic`; infinite when it waits for ever."""
    remaining_s = context.time_remaining()
    return math.inf if remaining_s is None else time.monotonic() + remaining_s


def deadline_passed_error() -> DeadlineImpossibleError:
    """The outcome of a request whose deadline passed, or whose caller went away, before its answer was ready."""
    return DeadlineImpossibleError("the deadline passed before the answer was ready")
