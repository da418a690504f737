"""The degradation ladder: the best answer that the time left allows.

Costs are learned: one exponentially smoothed duration per stage and size class of the batch (powers of two), because a
stage over 64 requests costs far less than 64 times the stage over one. What a stage costs is only seen when it runs, so
one that is left out is thought a little cheaper each time: after a stall it is soon tried again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from enum import IntEnum

SMOOTHING = 0.2
FADING = 0.98
MARGIN_S = 0.001
STAGES = ("decode", "profile", "filter", "retrieve", "fuse", "score", "rerank", "explain", "encode")


class Level(IntEnum):
    """A rung: each does what the one above does, less one thing."""

    FULL = 0
    NO_RERANK = 1
    NO_SCORE = 2
    POPULAR = 3


SKIPPED: Mapping[Level, frozenset[str]] = {
    Level.FULL: frozenset(),
    Level.NO_RERANK: frozenset({"rerank"}),
    Level.NO_SCORE: frozenset({"rerank", "score"}),
    Level.POPULAR: frozenset({"rerank", "score", "retrieve"}),
}


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
        """Think the stage, which was left out, a little cheaper."""
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
            return sum(self._least.get(stage, 0.0) for stage in STAGES if stage not in SKIPPED[Level.POPULAR])


def choose_level(costs: StageCosts, num_requests: int, remaining_s: float) -> Level:
    """The highest rung that is expected to finish within `remaining_s`; the lowest when none is."""
    if remaining_s == math.inf:
        return Level.FULL
    for level in Level:
        if costs.total_s(num_requests, level) + MARGIN_S <= remaining_s:
            return level
    return Level.POPULAR
