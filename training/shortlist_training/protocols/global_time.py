"""The protocol `global_time`: one cut in time for all users, so that no model sees a user's future or anybody else's.

A cut per user would leak: the others' later events would tell what becomes popular. A user's query is everything before
the window; users count who have a history item then and take a new item in the window.
"""

import math
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import numpy as np

from shortlist_training.data.dataset import ANY_BUT_DISLIKE, Dataset
from shortlist_training.data.histories import histories_of, new_items
from shortlist_training.data.queries import Split, task_of
from shortlist_training.errors import InputError
from shortlist_training.protocols.protocol import Limits, Splits

# A window with less than this share of the events is too thin to choose anything on; the split then counts events.
_THIN_SHARE: Final = 0.01
# With fewer events, evenly spread, the cuts at 0.8 and 0.9 fall together.
_LEAST_EVEN: Final = 6
# Fewer users than these are not halved: half of them would neither choose nor calibrate.
_LEAST_USERS: Final = 40


class Window(NamedTuple):
    """The time from `start` (inclusive) to `end` (exclusive), in seconds since the epoch."""

    name: str
    start: int
    end: int


class Cuts(NamedTuple):
    """Where the last two parts of the data begin and where it ends; measured by "time" or by "events"."""

    validation: int
    test: int
    end: int
    measured_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalTime:
    """Test is the last tenth of the time span, validation the tenth before, a few windows before that are stacked.

    Where one of the two tenths holds under 1 % of the events (times that are bunched up, or mere positions), tenths of
    the events are taken instead of tenths of the time.

    Attributes:
        num_windows: how many windows before the test period there may be; the last of them is validation.
        seen: which earlier events make an item old for a user: it is neither a candidate nor counted.
        candidates: "all" = full ranking of the catalogue, never sampled candidates.
        ties: how equal scores are ordered.
    """

    name: str = "global_time"
    num_windows: int = 4
    seen: str = "any event"
    candidates: str = "all"
    ties: str = "mean over all orders"

    def choosing(self, dataset: Dataset) -> Dataset:
        """The events before validation."""
        return dataset.before(cuts_of(dataset).validation)

    def training(self, dataset: Dataset, limits: Limits, *, all_data: bool) -> Splits:
        """Stacking windows, validation and calibration with half of its users each, and all before the test period."""
        cuts = cuts_of(dataset)
        *earlier, last = windows_before_test(dataset, cuts, self.num_windows)
        stacking = [_split(dataset, window, limits.stacking_users, limits.seed) for window in earlier]
        whole = _split(dataset, last, limits.validation_users, limits.seed)
        if not len(whole.task):
            raise InputError(
                f"{dataset.description.name}: nobody with a history before {last.start} takes a new item before "
                f"{last.end}: nothing to validate on"
            )
        validation, calibration = _halves(whole, limits.seed)
        refit = dataset.before(cuts.end if all_data else cuts.test)
        return Splits([split for split in stacking if len(split.task)], validation, calibration, refit)

    def test(self, dataset: Dataset, num_known: int) -> Split:
        """The last part."""
        cuts = cuts_of(dataset)
        past, future = dataset.before(cuts.test), dataset.between(cuts.test, cuts.end)
        return Split("test", past, task_of(past, future, num_known=num_known))

    def num_active_users(self, dataset: Dataset, num_known: int) -> int:
        """Users with a history item before the test period and any event but a dislike with a new item in it."""
        cuts = cuts_of(dataset)
        past, future = dataset.before(cuts.test), dataset.between(cuts.test, cuts.end)
        with_history_U = histories_of(past, num_known).lengths() > 0
        return int((with_history_U & (new_items(past, future, ANY_BUT_DISLIKE).lengths() > 0)).sum())

    def describe(self, dataset: Dataset) -> dict[str, object]:
        """The fields and the cuts."""
        cuts = cuts_of(dataset)
        return {
            **asdict(self),
            "validation_start": cuts.validation,
            "test_start": cuts.test,
            "end": cuts.end,
            "measured_by": cuts.measured_by,
            "target": dataset.target_words,
        }


def cuts_of(dataset: Dataset) -> Cuts:
    """Where the parts begin.

    Raises:
        InputError: too few different timestamps for three parts.
    """
    times = dataset.timestamps
    first, last = int(times[0]), int(times[-1])
    span = last - first
    by_time = (first + span * 8 // 10, first + span * 9 // 10)
    quantiles = np.quantile(times, (0.8, 0.9), method="higher")
    by_events = (int(quantiles[0]), int(quantiles[1]))
    for measured_by, (validation, test) in (("time", by_time), ("events", by_events)):
        sizes = np.diff([0, dataset.until(validation), dataset.until(test), dataset.num_events])
        if sizes.min() >= max(1.0, _THIN_SHARE * dataset.num_events):
            return Cuts(validation, test, last + 1, measured_by)
    needed = math.ceil(max(1.0, _THIN_SHARE * dataset.num_events))
    raise InputError(
        f"{dataset.description.name}: no split by time is possible: the {dataset.num_events} events have "
        f"{len(np.unique(times))} different timestamps from {first} to {last}; needed are three periods with at least "
        f"{needed} events each, the last two a tenth of the time or of the events: at least {_LEAST_EVEN} timestamps "
        "where they are evenly spread"
    )


def windows_before_test(dataset: Dataset, cuts: Cuts, count: int) -> list[Window]:
    """Up to `count` windows that end at the test period, oldest first; the last one is validation.

    Each is a tenth, of the time or of the events as the cuts are measured; at least half of that measure stays before
    the first one.
    """
    if cuts.measured_by == "time":
        width = cuts.test - cuts.validation
        starts = [cuts.validation - width * back for back in range(count)]
        earliest = (int(dataset.timestamps[0]) + cuts.end) // 2
    else:
        shares = [0.8 - 0.1 * back for back in range(count)]
        starts = [int(start) for start in np.quantile(dataset.timestamps, shares, method="higher")]
        earliest = int(np.quantile(dataset.timestamps, 0.5, method="higher"))
    kept = sorted({start for start in starts if start >= earliest} | {cuts.validation})
    ends = [*kept[1:], cuts.test]
    names = [*(f"before-{back}" for back in range(len(kept) - 1, 0, -1)), "validation"]
    return [Window(name, start, end) for name, start, end in zip(names, kept, ends, strict=True)]


def _split(dataset: Dataset, window: Window, max_users: int, seed: int) -> Split:
    past, future = dataset.before(window.start), dataset.between(window.start, window.end)
    return Split(window.name, past, task_of(past, future, max_users=max_users, seed=seed))


def _halves(whole: Split, seed: int) -> tuple[Split, Split]:
    """Two splits of the same data with half of the users each, drawn with the seed; of few users, both have all."""
    num_users = len(whole.task)
    if num_users < _LEAST_USERS:
        return whole, Split("calibration", whole.train, whole.task)
    order = np.random.default_rng((seed, num_users)).permutation(num_users)
    first, second = np.sort(order[: (num_users + 1) // 2]), np.sort(order[(num_users + 1) // 2 :])
    train, task = whole.train, whole.task
    return Split(whole.name, train, task.take(first)), Split("calibration", train, task.take(second))
