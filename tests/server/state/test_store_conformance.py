"""What every backend of `state.Store` must do. A new backend joins BACKENDS and is held to all of it."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist_server.errors import StateError
from shortlist_server.state import EventBatch, Profile, Store
from shortlist_server.state.lmdb_store import LmdbStore

VIEW, PURCHASE, DISLIKE, RATING = 1, 4, 6, 7
MAX_ITEMS: Final = 8
Event: TypeAlias = tuple[str, str, int, int]  # user, item, type, timestamp
OpenStore: TypeAlias = Callable[[], Store]
Backend: TypeAlias = Callable[[], AbstractContextManager[OpenStore]]
"""Storage with nothing in it, and what opens a store over it, as often as one likes, one after the other."""


@contextmanager
def lmdb_backend() -> Iterator[OpenStore]:
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: LmdbStore(Path(folder), max_profile_items=MAX_ITEMS, map_bytes=1 << 16)


BACKENDS: Final[dict[str, Backend]] = {"lmdb": lmdb_backend}


@pytest.fixture(params=list(BACKENDS), scope="module")
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]


@pytest.fixture
def open_store(backend: Backend) -> Iterator[OpenStore]:
    with backend() as open_one:
        yield open_one


@pytest.fixture
def store(open_store: OpenStore) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


def batch(*events: Event, values: Sequence[float] | None = None) -> EventBatch:
    """Events whose values are their places in the batch, unless given."""
    return EventBatch(
        [event[0] for event in events],
        [event[1] for event in events],
        np.array([event[2] for event in events], dtype=np.uint8),
        np.array([event[3] for event in events], dtype=np.int64),
        np.array(range(len(events)) if values is None else values, dtype=np.float32),
    )


def entries(profile: Profile) -> list[tuple[str, int, int]]:
    return list(zip(profile.item_ids, profile.types.tolist(), profile.timestamps.tolist(), strict=True))


def test_an_identical_event_is_recorded_once(store: Store) -> None:
    assert store.append(batch(("u", "a", VIEW, 5), ("u", "a", VIEW, 5), ("u", "b", VIEW, 5))) == 2
    assert store.append(batch(("u", "a", VIEW, 5))) == 0
    assert store.append(batch(("u", "a", PURCHASE, 5), ("v", "a", VIEW, 5), ("u", "a", VIEW, 6))) == 3
    assert store.count_events() == 5


def test_several_batches_report_their_own_new_events(store: Store) -> None:
    assert store.append_all([batch(("u", "a", VIEW, 1)), batch(("u", "a", VIEW, 1), ("u", "b", VIEW, 1)), batch()]) == [
        1,
        1,
        0,
    ]


def test_a_profile_holds_the_last_interaction_of_each_item_in_order(store: Store) -> None:
    store.append(batch(("u", "a", VIEW, 1), ("u", "b", VIEW, 2), ("u", "a", PURCHASE, 3)))
    assert entries(store.profiles(["u"])[0]) == [("b", VIEW, 2), ("a", PURCHASE, 3)]


def test_an_older_event_that_arrives_late_takes_its_place_in_time(store: Store) -> None:
    store.append(batch(("u", "a", VIEW, 10), ("u", "b", VIEW, 20)))
    store.append(batch(("u", "c", VIEW, 15), ("u", "b", PURCHASE, 5), ("u", "d", VIEW, -7)))
    assert entries(store.profiles(["u"])[0]) == [("d", VIEW, -7), ("a", VIEW, 10), ("c", VIEW, 15), ("b", VIEW, 20)]


def test_equal_timestamps_stand_in_order_of_arrival(store: Store) -> None:
    store.append(batch(("u", "z", VIEW, 5), ("u", "a", VIEW, 5)))
    store.append(batch(("u", "m", VIEW, 5), ("u", "z", VIEW, 5), ("u", "z", PURCHASE, 5)))
    assert entries(store.profiles(["u"])[0]) == [("a", VIEW, 5), ("m", VIEW, 5), ("z", PURCHASE, 5)]


def test_a_dislike_stands_beside_the_interaction_it_does_not_undo(store: Store) -> None:
    store.append(batch(("u", "a", PURCHASE, 1), ("u", "a", DISLIKE, 2), ("u", "b", DISLIKE, 3), ("u", "b", DISLIKE, 4)))
    assert entries(store.profiles(["u"])[0]) == [("a", PURCHASE, 1), ("a", DISLIKE, 2), ("b", DISLIKE, 4)]


def test_a_profile_keeps_the_value_of_the_interaction_that_stays(store: Store) -> None:
    store.append(batch(("u", "a", RATING, 1), ("u", "b", RATING, 2), ("u", "c", PURCHASE, 3), values=[4.5, -2, 0.1]))
    store.append(batch(("u", "a", VIEW, 5), ("u", "b", RATING, 1), ("u", "c", DISLIKE, 4), values=[0, 3, 1]))
    profile = store.profiles(["u"])[0]
    assert profile.item_ids == ["b", "c", "c", "a"]
    assert profile.values.dtype == np.float32
    assert profile.values.tolist() == [-2, np.float32(0.1), 1, 0]


def test_an_event_recorded_again_with_another_value_keeps_its_first(store: Store) -> None:
    store.append(batch(("u", "a", RATING, 5), ("u", "a", RATING, 5), values=[4, 3]))
    assert store.append(batch(("u", "a", RATING, 5), values=[1])) == 0
    assert store.profiles(["u"])[0].values.tolist() == [4]
    assert [value for part in store.export("u") for value in part.values.tolist()] == [4]


def test_a_profile_keeps_the_most_recent_entries_and_the_log_keeps_all(store: Store) -> None:
    store.append(batch(*[("u", f"i{number}", VIEW, number) for number in range(MAX_ITEMS + 5)]))
    store.append(batch(("u", "late", VIEW, 2)))
    assert store.profiles(["u"])[0].item_ids == [f"i{number}" for number in range(5, MAX_ITEMS + 5)]
    assert store.count_events() == MAX_ITEMS + 6


def test_profiles_come_in_the_order_asked_and_unknown_users_are_empty(store: Store) -> None:
    store.append(batch(("u", "a", VIEW, 1), ("v", "b", VIEW, 1)))
    found = store.profiles(["v", "nobody", "u", "v"])
    assert [profile.item_ids for profile in found] == [["b"], [], ["a"], ["b"]]
    assert [profile.empty for profile in found] == [False, True, False, False]
    assert found[1].timestamps.dtype == np.int64
    assert [profile.values.shape for profile in found] == [(1,), (0,), (1,), (1,)]


def test_profiles_cannot_be_changed_by_who_reads_them(store: Store) -> None:
    store.append(batch(("u", "a", VIEW, 1)))
    profile = store.profiles(["u"])[0]
    for column in (profile.timestamps, profile.types, profile.values):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 9


def test_the_longest_ids_of_any_script_are_kept_apart(store: Store) -> None:
    long = "日" * 42 + "ab"
    store.append(batch((long, long, VIEW, 1), (long[:-1], long, VIEW, 1), (long, long[:-1], VIEW, 1)))
    assert [profile.item_ids for profile in store.profiles([long, long[:-1]])] == [[long, long[:-1]], [long]]
    assert [len(exported) for exported in store.export(long)] == [2]


def test_everything_is_there_after_reopening(open_store: OpenStore) -> None:
    first = open_store()
    first.append(batch(("u", "a", RATING, 1), ("u", "b", PURCHASE, 2), values=[4.5, 3]))
    first.close()
    second = open_store()
    assert entries(second.profiles(["u"])[0]) == [("a", RATING, 1), ("b", PURCHASE, 2)]
    assert second.profiles(["u"])[0].values.tolist() == [4.5, 3]
    assert second.append(batch(("u", "a", RATING, 1))) == 0
    second.close()


def test_a_closed_store_refuses(open_store: OpenStore) -> None:
    store = open_store()
    store.close()
    with pytest.raises(StateError):
        store.append(batch(("u", "a", VIEW, 1)))
    with pytest.raises(StateError):
        store.profiles(["u"])


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_export_returns_every_event_by_user_moment_and_arrival(store: Store, batch_size: int) -> None:
    recorded = [("u", "z", VIEW, 5), ("u", "a", VIEW, 5), ("u", "m", PURCHASE, 4), ("uu", "a", VIEW, 1)]
    store.append(batch(*recorded))
    exported = [
        event
        for part in store.export(batch_size=batch_size)
        for event in zip(part.user_ids, part.item_ids, part.types.tolist(), part.timestamps.tolist(), strict=True)
    ]
    assert exported == [recorded[2], recorded[0], recorded[1], recorded[3]]
    values = [value for part in store.export("u", batch_size) for value in part.values.tolist()]
    assert values == [2.0, 0.0, 1.0]


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads hand over the interpreter fifty times as often: more interleavings in less time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("quick_switches")
def test_readers_and_writers_share_a_store_that_must_grow(store: Store) -> None:
    written: list[int] = []
    torn: list[Profile] = []
    done = threading.Event()

    def write(writer: int) -> None:
        for start in range(0, 300, 50):
            events = [("both", f"w{writer}-{number % 4}", VIEW, number) for number in range(start, start + 50)]
            written.append(store.append(batch(*events, *((f"w{writer}", *event[1:]) for event in events))))

    def read() -> None:
        while not done.is_set():
            for profile in store.profiles(["both", "w0", "w1"]):
                if any(later < earlier for earlier, later in pairwise(profile.timestamps.tolist())):
                    torn.append(profile)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert sum(written) == store.count_events() == 1200
    assert torn == []


def expected_profile(events: list[tuple[Event, float]], user: str) -> list[tuple[str, int, int, float]]:
    """The definition, event by event: no arrays, no shortcuts."""
    seen: set[Event] = set()
    last: dict[tuple[str, bool], tuple[int, int, int, float]] = {}
    for arrival, (event, value) in enumerate(events):
        who, item, kind, timestamp = event
        if who != user or event in seen:
            continue
        seen.add(event)
        slot = (item, kind == DISLIKE)
        if slot not in last or (timestamp, arrival) > last[slot][:2]:
            last[slot] = (timestamp, arrival, kind, value)
    ordered = sorted((*kept, item) for (item, _), kept in last.items())
    return [(item, kind, timestamp, value) for timestamp, _, kind, value, item in ordered][-MAX_ITEMS:]


EVENTS = st.tuples(
    st.sampled_from(["u", "v"]),
    st.sampled_from([f"i{number}" for number in range(12)]),
    st.sampled_from([VIEW, PURCHASE, DISLIKE]),
    st.integers(-3, 9),
)
VALUED_EVENTS = st.tuples(EVENTS, st.floats(width=32, allow_nan=False))


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.lists(VALUED_EVENTS, max_size=25), min_size=1, max_size=4))
def test_any_order_of_arrival_gives_the_profile_of_the_definition(
    backend: Backend, batches: list[list[tuple[Event, float]]]
) -> None:
    events = [event for part in batches for event in part]
    with backend() as open_one:
        store = open_one()
        counts = [
            store.append(batch(*(event for event, _ in part), values=[value for _, value in part])) for part in batches
        ]
        profiles = store.profiles(["u", "v"])
        store.close()
    assert sum(counts) == len({event for event, _ in events})
    found = [
        [(*entry, value) for entry, value in zip(entries(profile), profile.values.tolist(), strict=True)]
        for profile in profiles
    ]
    assert found == [expected_profile(events, user) for user in ("u", "v")]
