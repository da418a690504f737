"""The levels of degradation: the best answer that the time left allows.

Costs are learned: one exponentially smoothed duration per stage and size class of the batch (powers of two), because a
stage over 64 requests costs far less than 64 times the stage over one. What a stage costs is only seen when it runs, so
the estimate of one that is left out falls a little each time: after a stall it is soon tried again.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum

# A fifth of the way to each new duration: a lasting change is half learned after three batches, while a single stall
# of ten times the usual duration does not even triple the estimate.
SMOOTHING = 0.2
# 2 % a batch: an estimate halves in 34 batches, so that a stage is tried again within about a second of load, but a
# stage that really is too slow is not tried, in vain, by every second batch.
FADING = 0.98
# For what no stage measures: handing the replies to the event loop and writing them to the socket.
MARGIN_S = 0.001
STAGES = ("decode", "profile", "filter", "retrieve", "fuse", "score", "rerank", "explain", "encode")


class Level(IntEnum):
    """How much of the pipeline answers: each level does what the one before does, less one stage."""

    FULL = 0
    NO_RERANK = 1
    NO_SCORE = 2
    FALLBACK = 3
    """Only the package's fallback source answers: one stored score an item, the same for every user."""


SKIPPED: Mapping[Level, frozenset[str]] = {
    Level.FULL: frozenset(),
    Level.NO_RERANK: frozenset({"rerank"}),
    Level.NO_SCORE: frozenset({"rerank", "score"}),
    Level.FALLBACK: frozenset({"rerank", "score", "retrieve"}),
}
"""The stages that a level leaves out, or does in a way so cheap that it says nothing about the stage's cost."""


class StageCosts:
    """Smoothed seconds per stage, by size class of the batch. Safe to use from several threads."""

    def __init__(self, smoothing: float = SMOOTHING) -> None:
        if not 0.0 < smoothing <= 1.0:
            raise ValueError(f"smoothing must lie in (0, 1], got {smoothing}")
        self._smoothing = smoothing
        self._seconds: dict[str, dict[int, float]] = {}
        self._least: dict[str, float] = {}
        self._lock = threading.Lock()

    def observe(self, stage: str, num_requests: int, seconds: float) -> None:
        """Take one measured duration of `stage` over a batch of `num_requests`."""
        size_class = num_requests.bit_length()
        with self._lock:
            by_class = self._seconds.setdefault(stage, {})
            before = by_class.get(size_class, seconds)
            by_class[size_class] = before + self._smoothing * (seconds - before)
            self._least[stage] = min(seconds, self._least.get(stage, math.inf))

    def fade(self, stage: str) -> None:
        """Lower the estimates of a stage that was left out, so that it is tried again."""
        with self._lock:
            for size_class in self._seconds.get(stage, ()):
                self._seconds[stage][size_class] *= FADING

    def forget(self) -> None:
        """Drop what was measured, for instance while caches were cold."""
        with self._lock:
            self._seconds.clear()
            self._least.clear()

    def estimate_s(self, stage: str, num_requests: int) -> float:
        """Expected seconds of `stage` over `num_requests`; 0 while it was never measured.

        An unmeasured size class borrows from the nearest: a smaller one is scaled up, a larger one taken as it is.
        """
        wanted = num_requests.bit_length()
        with self._lock:
            by_class = self._seconds.get(stage)
            if not by_class:
                return 0.0
            nearest = min(by_class, key=lambda known: (abs(known - wanted), known))
            return by_class[nearest] * 2.0 ** max(0, wanted - nearest)

    def total_s(self, num_requests: int, level: Level = Level.FULL) -> float:
        """Expected seconds of all the stages that `level` runs."""
        return sum(self.estimate_s(stage, num_requests) for stage in STAGES if stage not in SKIPPED[level])

    def least_s(self) -> float:
        """The shortest time that the cheapest answer can take, by the best that each of its stages ever did.

        Not smoothed: what it refuses is never measured, so one stall would refuse everything from then on.
        """
        with self._lock:
            return sum(self._least.get(stage, 0.0) for stage in STAGES if stage not in SKIPPED[Level.FALLBACK])


def choose_level(costs: StageCosts, num_requests: int, remaining_s: float) -> Level:
    """The fullest level that is expected to finish within `remaining_s`; FALLBACK when none is."""
    if remaining_s == math.inf:
        return Level.FULL
    for level in Level:
        if costs.total_s(num_requests, level) + MARGIN_S <= remaining_s:
            return level
    return Level.FALLBACK


class Stopwatch:
    """Times the stages of one batch, in order, and gives `costs` the durations of those that are not skipped."""

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
