"""Medians of calls that take turns, so that a noisy moment of the machine hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Work = Callable[[], object]

SETTLED_SHARE = 0.1
SETTLE_STEP_S = 0.005
SETTLE_AT_MOST_S = 1.0
TURN_S = 0.03  # short calls repeat within their turn, so that a thread that woke up is worth its while
SLOW_S, SLOW_ROUNDS = 5.0, 2


@dataclass(slots=True)
class Timing:
    """The samples of one contender."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """Wall-clock time of a call."""
        return statistics.median(self.seconds)

    @property
    def cores(self) -> float:
        """How many cores the calls kept busy."""
        return sum(self.cpu_seconds) / sum(self.seconds)

    def take(self, work: Work) -> float:
        """Times one call."""
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        seconds = time.perf_counter() - wall
        self.seconds.append(seconds)
        self.cpu_seconds.append(time.process_time() - cpu)
        return seconds


def interleaved(
    works: Mapping[str, Work], rounds: int, progress: Callable[[str], None] = lambda name: None
) -> dict[str, Timing]:
    """Times each work in every round, after a warm-up; what takes longer than `SLOW_S` is timed three times in all."""
    timings = {name: Timing() for name in works}
    expected_s = {}
    for name, work in works.items():
        progress(name)
        settle()
        expected_s[name] = timings[name].take(work)
        if expected_s[name] < SLOW_S:
            timings[name] = Timing()
            expected_s[name] = Timing().take(work)  # the first call may have started threads or filled caches
    for number in range(rounds):
        for name, seconds in expected_s.items():
            if number < SLOW_ROUNDS or seconds < SLOW_S:
                progress(name)
                settle()
                _take_turn(works[name], timings[name], seconds)
    return timings


def settle() -> None:
    """Waits until no thread of this process computes: pools spin for a while after their call has returned."""
    deadline = time.perf_counter() + SETTLE_AT_MOST_S
    while time.perf_counter() < deadline:
        cpu, wall = time.process_time(), time.perf_counter()
        time.sleep(SETTLE_STEP_S)
        if time.process_time() - cpu < SETTLED_SHARE * (time.perf_counter() - wall):
            return


def _take_turn(work: Work, timing: Timing, expected_s: float) -> None:
    calls = int(TURN_S / expected_s)
    if calls > 1:
        work()  # wakes the threads that the others have put to sleep
    for _ in range(max(1, min(calls, 10))):
        timing.take(work)
