"""The protocol `global_time`: one cut in time for all users, so that no model sees a user's future or anybody else's.

A cut per user would leak: the others' later events would tell what becomes popular.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from shortlist_training.data.dataset import Dataset
from shortlist_training.errors import InputError

# A window with less than this share of the events is too thin to choose anything on; the split then counts events.
_THIN_SHARE = 0.01
# With fewer events, evenly spread, the cuts at 0.8 and 0.9 fall together.
_LEAST_EVEN = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The time from `start` (inclusive) to `end` (exclusive), in seconds since the epoch."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalTime:
    """How numbers come about; stored with every metric.

    Training sees events before `validation_start` (while choosing) or `test_start` (the package); a user's query
    history is everything before the window. Users count who have a history item before it and a new item in it.

    Attributes:
        target: what counts as taken: "purchase", or "any event but dislike" where the data has no purchases.
        measured_by: "time" when the windows are tenths of the time span, "events" when tenths of the events.
        candidates: "all" = full ranking of the catalogue, never sampled candidates.
        cutoff: k of NDCG@k, Recall@k, HR@k and MRR@k.
        filter_seen: items of the history are neither candidates nor counted.
        ties: how equal scores are ordered.
        seed: of the bootstrap.
    """

    name: str = "global_time"
    validation_start: int
    test_start: int
    end: int
    target: str
    measured_by: str = "time"
    candidates: str = "all"
    cutoff: int = 10
    filter_seen: bool = True
    ties: str = "item_id ascending"
    seed: int = 0

    @property
    def validation(self) -> Window:
        """Where everything is chosen."""
        return Window(name="validation", start=self.validation_start, end=self.test_start)

    @property
    def test(self) -> Window:
        """Where the package is judged."""
        return Window(name="test", start=self.test_start, end=self.end)

    def describe(self, window: Window) -> dict[str, object]:
        """The protocol as plain values, with the window that the metrics are from."""
        return {**asdict(self), "window": window.name}


def global_time(dataset: Dataset, *, cutoff: int = 10, seed: int = 0) -> GlobalTime:
    """Test = the last tenth of the time span, validation = the tenth before.

    Where one of the two holds under 1 % of the events (times that are bunched up, or mere positions), tenths of the
    events are taken instead of tenths of the time.

    Raises:
        InputError: too few different timestamps for three parts.
    """
    times = dataset.timestamps
    first, last = int(times[0]), int(times[-1])
    span = last - first
    by_time = (first + span * 8 // 10, first + span * 9 // 10)
    quantiles = np.quantile(times, (0.8, 0.9), method="higher")
    by_events = (int(quantiles[0]), int(quantiles[1]))
    for measured_by, (validation_start, test_start) in (("time", by_time), ("events", by_events)):
        sizes = np.diff([0, dataset.until(validation_start), dataset.until(test_start), dataset.num_events])
        if sizes.min() >= max(1.0, _THIN_SHARE * dataset.num_events):
            return GlobalTime(
                validation_start=validation_start,
                test_start=test_start,
                end=last + 1,
                target=dataset.target_words,
                measured_by=measured_by,
                cutoff=cutoff,
                seed=seed,
            )
    needed = math.ceil(max(1.0, _THIN_SHARE * dataset.num_events))
    raise InputError(
        f"{dataset.description.name}: no split by time is possible: the {dataset.num_events} events have "
        f"{len(np.unique(times))} different timestamps from {first} to {last}; needed are three periods with at least "
        f"{needed} events each, the last two a tenth of the time or of the events: at least {_LEAST_EVEN} timestamps "
        "where they are evenly spread"
    )


def windows_before_test(dataset: Dataset, protocol: GlobalTime, count: int) -> list[Window]:
    """Up to `count` windows that end at the test period, oldest first; the last one is validation.

    Each is a tenth, of the time or of the events as the protocol measures it; at least half of that measure stays
    before the first one.
    """
    if protocol.measured_by == "time":
        width = protocol.test_start - protocol.validation_start
        starts = [protocol.validation_start - width * back for back in range(count)]
        earliest = (int(dataset.timestamps[0]) + protocol.end) // 2
    else:
        shares = [0.8 - 0.1 * back for back in range(count)]
        starts = [int(start) for start in np.quantile(dataset.timestamps, shares, method="higher")]
        earliest = int(np.quantile(dataset.timestamps, 0.5, method="higher"))
    kept = sorted({start for start in starts if start >= earliest} | {protocol.validation_start})
    ends = [*kept[1:], protocol.test_start]
    names = [*(f"before-{back}" for back in range(len(kept) - 1, 0, -1)), protocol.validation.name]
    parts = zip(names, kept, ends, strict=True)
    return [Window(name=name, start=start, end=end) for name, start, end in parts]
