"""One cut in time for all users: where it lies, the windows before it, who counts, and what each split may know."""

import numpy as np
import pytest

from shortlist_training.data.dataset import Dataset
from shortlist_training.errors import InputError
from shortlist_training.protocols import find_protocol
from shortlist_training.protocols.global_time import GlobalTime, cuts_of, windows_before_test
from shortlist_training.protocols.protocol import Limits
from tests.training.data_sets import dataset_of
from tests.training.shop import shop_events

LIMITS = Limits(validation_users=1_000, stacking_users=1_000, seed=0)


def even(count: int = 1001) -> Dataset:
    return dataset_of([(f"u{t % 7}", f"i{t % 5}", t) for t in range(count)])


def test_the_test_period_is_the_last_tenth_of_the_time_and_validation_the_tenth_before() -> None:
    assert cuts_of(even()) == (800, 900, 1001, "time")
    assert GlobalTime().choosing(even()).as_of == 800
    fields = GlobalTime().describe(even())
    assert (fields["name"], fields["test_start"], fields["candidates"]) == ("global_time", 900, "all")


def test_bunched_up_times_are_split_by_events() -> None:
    times = [*range(500), 100_000]
    assert cuts_of(dataset_of([("u", f"i{t}", t) for t in times]))[:2] == (400, 450)
    assert cuts_of(dataset_of([("u", f"i{t}", t) for t in times])).measured_by == "events"


@pytest.mark.parametrize("times", [[5] * 50, [1, 2]])
def test_times_that_cannot_be_split_are_an_error_with_the_count(times: list[int]) -> None:
    dataset = dataset_of([("u", f"i{n}", time) for n, time in enumerate(times)])
    with pytest.raises(InputError, match=f"the {len(times)} events have {len(set(times))} different timestamps"):
        cuts_of(dataset)


def test_the_least_data_that_can_be_split_is_what_the_error_asks_for() -> None:
    with pytest.raises(InputError, match=r"three periods with at least 1 events each.* at least 6 timestamps"):
        cuts_of(dataset_of([("u", f"i{n}", n) for n in range(5)]))
    assert cuts_of(dataset_of([("u", f"i{n}", n) for n in range(6)])).end == 6


def test_windows_before_the_test_period_touch_and_end_with_validation() -> None:
    dataset = even()
    assert windows_before_test(dataset, cuts_of(dataset), 9) == [
        ("before-3", 500, 600),
        ("before-2", 600, 700),
        ("before-1", 700, 800),
        ("validation", 800, 900),
    ]


def test_no_split_knows_anything_from_its_own_window_on() -> None:
    dataset = dataset_of(shop_events())
    splits = GlobalTime().training(dataset, LIMITS, all_data=False)
    cuts = cuts_of(dataset)
    assert [split.name for split in splits.choosing] == ["before-3", "before-2", "before-1", "validation"]
    for split in (*splits.choosing, splits.calibration):
        assert split.train.timestamps.max() < split.train.as_of <= cuts.validation
        assert split.task.queries.histories.timestamps.max() < split.train.as_of
        assert (split.task.queries.now_B == split.train.as_of).all()
    assert splits.refit.timestamps.max() < splits.refit.as_of == cuts.test
    assert GlobalTime().training(dataset, LIMITS, all_data=True).refit.num_events == dataset.num_events
    test = GlobalTime().test(dataset, dataset.num_items)
    assert (test.name, test.train.as_of) == ("test", cuts.test)


def test_calibration_has_other_users_of_the_same_window_unless_they_are_few() -> None:
    dataset = dataset_of(shop_events(num_users=240))
    splits = GlobalTime().training(dataset, LIMITS, all_data=False)
    assert splits.validation.train is splits.calibration.train
    chosen, calibrated = (split.task.queries for split in (splits.validation, splits.calibration))
    assert abs(len(chosen) - len(calibrated)) <= 1
    first_times = [set(queries.histories.timestamps[queries.histories.indptr[:-1]]) for queries in (chosen, calibrated)]
    assert not first_times[0] & first_times[1], "no two users of this shop begin at the same second"
    few = Limits(validation_users=30, stacking_users=30, seed=0)
    splits = GlobalTime().training(dataset, few, all_data=False)
    assert len(splits.validation.task) == len(splits.calibration.task) == 30


def test_nobody_to_validate_on_is_an_error() -> None:
    with pytest.raises(InputError, match="nothing to validate on"):
        GlobalTime().training(dataset_of([(f"u{n}", f"i{n % 7}", n) for n in range(200)]), LIMITS, all_data=False)


def test_active_users_count_whatever_the_type_of_their_event() -> None:
    past = [(user, f"i{time}", time, "purchase") for time in range(90) for user in ("buyer", "viewer", "hater", "same")]
    now = [
        ("buyer", "b", 95, "purchase"),
        ("viewer", "b", 95, "view"),
        ("hater", "b", 95, "dislike"),
        ("same", "i5", 95, "view"),
        ("stranger", "b", 99, "view"),
    ]
    dataset = dataset_of([*past, *now])
    assert cuts_of(dataset).test == 89
    late = dataset.only(np.isin(dataset.timestamps, 89, invert=True), dataset.as_of)
    assert len(GlobalTime().test(late, dataset.num_items).task) == 1
    assert GlobalTime().num_active_users(late, dataset.num_items) == 2


def test_an_unknown_protocol_is_named_with_those_that_there_are() -> None:
    assert find_protocol("global_time").name == "global_time"
    with pytest.raises(InputError, match="protocol 'best' is unknown; there are: global_time"):
        find_protocol("best")
