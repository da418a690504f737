"""One request on its way through the server: what was asked, since when it waits, and until when it may."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shortlist_server.errors import DeadlineImpossible

RequestT = TypeVar("RequestT")


def _somebody_waits() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A point on a monotonic clock, in seconds, and a probe that says whether the caller has gone away."""

    at_s: float = math.inf
    cancelled: Callable[[], bool] = field(default=_somebody_waits)
    clock: Callable[[], float] = field(default=time.monotonic)

    def remaining_s(self) -> float:
        """Seconds left; negative when it has passed, infinite when there is none."""
        return self.at_s - self.clock()

    def expired(self) -> bool:
        """True when the answer would come too late or nobody waits for it."""
        return self.cancelled() or self.remaining_s() <= 0.0


UNLIMITED = Deadline()


def late() -> DeadlineImpossible:
    """The outcome of a request whose deadline has passed or whose caller has gone."""
    return DeadlineImpossible("the deadline passed before the answer was ready")


@dataclass(frozen=True, slots=True)
class Task(Generic[RequestT]):
    """A request, its deadline, and how long it waited before its batch was begun."""

    request: RequestT
    deadline: Deadline = UNLIMITED
    queued_ns: int = 0
