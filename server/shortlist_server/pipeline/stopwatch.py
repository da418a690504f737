"""How long each stage takes, for the reply and for the ladder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shortlist_server.pipeline.ladder import StageCosts


class Stopwatch:
    """Times the stages of one batch, in order, and teaches their costs to the ladder."""

    def __init__(self, costs: StageCosts, num_requests: int, before_ns: tuple[tuple[str, int], ...] = ()) -> None:
        self._costs = costs
        self._num_requests = num_requests
        self.timings_ns: list[tuple[str, int]] = list(before_ns)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        started_ns = time.perf_counter_ns()
        yield
        duration_ns = time.perf_counter_ns() - started_ns
        self.timings_ns.append((name, duration_ns))
        self._costs.observe(name, self._num_requests, duration_ns / 1e9)
