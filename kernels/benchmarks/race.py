"""Ours beside its peers at one task: who is how fast, and whether they say the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Row
from benchmarks.timing import Work, interleaved

OURS = "shortlist"
Answer = tuple[Any, ...] | NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One task. Names of ours begin with `OURS`; the others are peers."""

    title: str  # the task with its sizes
    works: Mapping[str, Work]
    agreement: Mapping[str, float]  # share of our answers that each one gives, found before


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What a race showed. A row's `speed` is the fastest peer's time by its own."""

    title: str
    rows: list[Row]


def share_equal(ours: Answer, theirs: Answer) -> float:
    """The share of the values of ours that stand in theirs at the same place; of arrays, and of tuples with arrays."""
    pairs = list(zip(*(one if isinstance(one, tuple) else (one,) for one in (ours, theirs)), strict=True))
    if any(np.shape(left) != np.shape(right) for left, right in pairs):
        return 0.0
    equal = np.concatenate([np.ravel(np.equal(left, right)) for left, right in pairs])
    return float(equal.mean()) if equal.size else 1.0


def run(race: Race, rounds: int, say: Callable[[str], None]) -> Finish:
    """Times all in turns."""
    timings = interleaved(race.works, rounds, lambda name: say(f"{race.title}: {name}"))
    peers = [timing.median_s for name, timing in timings.items() if not name.startswith(OURS)]
    fastest_s = min(peers or [timing.median_s for timing in timings.values()])
    return Finish(
        title=race.title,
        rows=[
            Row(
                name=name,
                ours=name.startswith(OURS),
                exact=True,
                median_s=timing.median_s,
                fastest_s=min(timing.seconds),
                num_calls=len(timing.seconds),
                cores=timing.cores,
                agreement=race.agreement[name],
                speed=fastest_s / timing.median_s,
            )
            for name, timing in timings.items()
        ],
    )
