"""How long each stage takes, for the reply and for the ladder."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager

from shortlist_server.pipeline.ladder import StageCosts


class Stopwatch:
    """Times the stages of one batch, in order, and teaches the ladder the costs of those that are not skipped."""

    def __init__(
        self,
        costs: StageCosts,
        num_requests: int,
        *,
        before_ns: Iterable[tuple[str, int]] = (),
        skipped: Container[str] = (),
    ) -> None:
        self._costs = costs
        self._num_requests = num_requests
        self._skipped = skipped
        self.timings_ns: list[tuple[str, int]] = list(before_ns)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        started_ns = time.perf_counter_ns()
        yield
        duration_ns = time.perf_counter_ns() - started_ns
        self.timings_ns.append((name, duration_ns))
        if name in self._skipped:
            self._costs.fade(name)
        else:
            self._costs.observe(name, self._num_requests, duration_ns / 1e9)
