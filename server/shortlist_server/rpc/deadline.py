"""The deadline of a call on the clock that the door uses."""

from __future__ import annotations

import math
import time
from typing import Any

from grpc import aio


def deadline_of(context: aio.ServicerContext[Any, Any]) -> float:
    """When the caller gives up, in seconds of the monotonic clock; infinite when it waits for ever."""
    remaining_s = context.time_remaining()
    return math.inf if remaining_s is None else time.monotonic() + remaining_s
