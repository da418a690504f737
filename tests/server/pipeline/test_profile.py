"""profile: recorded events and the request's history become one history in rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import lmdb
import numpy as np

from shortlist.v1.history_pb2 import (
    EVENT_TYPE_DISLIKE,
    EVENT_TYPE_PURCHASE,
    EVENT_TYPE_RATING,
    EVENT_TYPE_VIEW,
    EventType,
    History,
)
from shortlist.v1.recommendation_pb2 import RecommendRequest
from shortlist_server.batching.deadline import UNLIMITED
from shortlist_server.catalog.package import Package
from shortlist_server.errors import StateError
from shortlist_server.pipeline.decode import decode
from shortlist_server.pipeline.decoding.defaults import Defaults
from shortlist_server.pipeline.profile import profile
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.types import Batch, Profiles
from shortlist_server.state.lmdb_store import LmdbStore
from shortlist_server.state.store import EventBatch, Profile, Store


def profile_of(package: Package, store: LmdbStore | None, history: History, user_id: str = "ann") -> Profiles:
    query = decode([RecommendRequest(user_id=user_id, history=history)], Defaults.of(package), 0)[0]
    assert isinstance(query, Query)
    return profile(Batch((query,), (UNLIMITED,)), store=store, catalog=package.catalog, max_history=10)


def record(store: LmdbStore, *events: tuple[str, int, EventType]) -> None:
    store.append(
        EventBatch(
            ["ann"] * len(events),
            [item_id for item_id, _, _ in events],
            np.array([event_type for _, _, event_type in events], np.uint8),
            np.array([timestamp for _, timestamp, _ in events], np.int64),
            np.zeros(len(events), np.float32),
        )
    )


def rows_of(profiles: Profiles) -> Sequence[int]:
    rows: list[int] = profiles.history_rows_BL[0].tolist()
    return [row for row in rows if row != -1]


def test_history_is_distinct_items_by_last_interaction_padded_on_the_left(package: Package) -> None:
    profiles = profile_of(package, None, History(item_ids=["item-003", "item-001", "item-003", "item-002"]))
    assert profiles.history_rows_BL[0].tolist() == [-1] * 7 + [1, 3, 2]


def test_timestamps_order_the_history_and_ties_keep_the_order_of_arrival(package: Package) -> None:
    history = History(item_ids=["item-005", "item-004", "item-006"], timestamps=[20, 10, 20])
    assert rows_of(profile_of(package, None, history)) == [4, 5, 6]


def test_only_the_last_max_history_items_are_seen_by_models_but_all_count_as_seen(package: Package) -> None:
    profiles = profile_of(package, None, History(item_ids=[f"item-{row:03d}" for row in range(15)]))
    assert rows_of(profiles) == list(range(5, 15))
    assert sorted(profiles.seen_rows[0].tolist()) == list(range(15))


def test_unknown_items_are_skipped(package: Package) -> None:
    profiles = profile_of(package, None, History(item_ids=["nope", "item-001"]))
    assert rows_of(profiles) == [1]
    assert profiles.seen_rows[0].tolist() == [1]


def test_dislikes_are_seen_but_leave_no_trace_in_the_history(package: Package) -> None:
    history = History(item_ids=["item-001", "item-002"], types=[EVENT_TYPE_DISLIKE, EVENT_TYPE_VIEW])
    profiles = profile_of(package, None, history)
    assert rows_of(profiles) == [2]
    assert sorted(profiles.seen_rows[0].tolist()) == [1, 2]


def test_types_and_values_stand_beside_the_items(package: Package, store: LmdbStore) -> None:
    record(store, ("item-001", 10, EVENT_TYPE_PURCHASE))
    history = History(
        item_ids=["item-002", "item-003", "item-002"],
        timestamps=[30, 20, 5],
        types=[EVENT_TYPE_RATING, EVENT_TYPE_VIEW, EVENT_TYPE_VIEW],
        values=[4.5, 0, 1],
    )
    profiles = profile_of(package, store, history)
    assert rows_of(profiles) == [1, 3, 2]
    assert profiles.history_types_BL[0, -3:].tolist() == [EVENT_TYPE_PURCHASE, EVENT_TYPE_VIEW, EVENT_TYPE_RATING]
    assert profiles.history_values_BL[0, -3:].tolist() == [0.0, 0.0, 4.5]
    assert not profiles.history_types_BL[0, :-3].any()


def test_a_user_gets_the_same_profile_alone_and_in_company(package: Package) -> None:
    random = np.random.default_rng(3)
    requests = []
    for _ in range(20):
        items = [f"item-{row:03d}" for row in random.integers(0, 70, random.integers(0, 40))]
        types = random.integers(0, 8, len(items)).tolist()
        times = random.integers(0, 20, len(items)).tolist()
        requests.append(RecommendRequest(user_id="ann", history=History(item_ids=items, types=types, timestamps=times)))
    together = profile(batch_of(package, *requests), store=None, catalog=package.catalog, max_history=10)
    for index, request in enumerate(requests):
        alone = profile(batch_of(package, request), store=None, catalog=package.catalog, max_history=10)
        history, seen = by_hand(request.history)
        assert rows_of(alone) == together.history_of(index).tolist() == history[-10:]
        assert alone.seen_rows[0].tolist() == together.seen_rows[index].tolist() == sorted(seen)
        assert alone.seen_types[0].tolist() == [seen[row] for row in sorted(seen)]


def by_hand(history: History) -> tuple[list[int], dict[int, int]]:
    """The rows of a history, and the last type of each, one interaction after the other."""
    rows: list[int] = []
    seen: dict[int, int] = {}
    given = zip(history.item_ids, history.timestamps, history.types, strict=True)
    for item_id, _, kind in sorted(given, key=lambda interaction: interaction[1]):
        row = int(item_id.removeprefix("item-"))
        if row < 60:
            seen[row] = kind or EVENT_TYPE_VIEW
            if kind != EVENT_TYPE_DISLIKE:
                rows = [*(other for other in rows if other != row), row]
    return rows, seen


def test_a_dislike_does_not_undo_an_earlier_interaction(package: Package, store: LmdbStore) -> None:
    record(store, ("item-001", 10, EVENT_TYPE_PURCHASE), ("item-001", 20, EVENT_TYPE_DISLIKE))
    profiles = profile_of(package, store, History())
    assert rows_of(profiles) == [1]
    assert profiles.history_times_BL[0, -1] == 10
    assert profiles.seen_types[0].tolist() == [EVENT_TYPE_DISLIKE]


def test_a_history_without_timestamps_follows_what_is_recorded(package: Package, store: LmdbStore) -> None:
    record(store, ("item-001", 100, EVENT_TYPE_VIEW), ("item-002", 200, EVENT_TYPE_VIEW))
    profiles = profile_of(package, store, History(item_ids=["item-001", "item-009"]))
    assert rows_of(profiles) == [2, 1, 9]
    assert profiles.history_times_BL[0, -3:].tolist() == [200, 200, 200]


def test_a_history_with_timestamps_is_merged_by_time(package: Package, store: LmdbStore) -> None:
    record(store, ("item-001", 100, EVENT_TYPE_VIEW), ("item-002", 300, EVENT_TYPE_VIEW))
    assert rows_of(profile_of(package, store, History(item_ids=["item-009"], timestamps=[200]))) == [1, 9, 2]


def test_a_request_without_user_id_reads_nothing_recorded(package: Package, store: LmdbStore) -> None:
    record(store, ("item-001", 100, EVENT_TYPE_VIEW))
    assert rows_of(profile_of(package, store, History(item_ids=["item-009"]), user_id="")) == [9]


class UnreachableStore:
    """A store that fails, after what may be a long time: how often it was asked matters."""

    def __init__(self) -> None:
        self.num_asked = 0

    def profiles(self, user_ids: Sequence[str]) -> list[Profile]:
        self.num_asked += 1
        raise StateError("the store does not answer")


def batch_of(package: Package, *requests: RecommendRequest) -> Batch:
    queries = [query for query in decode(requests, Defaults.of(package), 0) if isinstance(query, Query)]
    assert len(queries) == len(requests)
    return Batch(tuple(queries), (UNLIMITED,) * len(queries))


def test_a_store_that_fails_is_asked_once_and_costs_the_recorded_events_only(package: Package) -> None:
    history = History(item_ids=["item-009"])
    requests = [RecommendRequest(user_id=user_id, history=history) for user_id in ("ann", "bob", "", "cid")]
    batch, unreachable = batch_of(package, *requests), UnreachableStore()
    profiles = profile(batch, store=cast(Store, unreachable), catalog=package.catalog, max_history=10)
    assert unreachable.num_asked == 1
    assert profiles.history_rows_BL[:, -1].tolist() == [9, 9, 9, 9]
    degraded = [[(one.stage, one.reason, one.detail) for one in noted] for noted in batch.degraded]
    noted = ("PROFILE", "STATE_UNAVAILABLE", "the store does not answer")
    assert degraded == [[noted], [noted], [], [noted]]


def test_a_profile_that_cannot_be_read_costs_its_user_only(package: Package, tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    record(store, ("item-001", 5, EVENT_TYPE_VIEW))
    store.close()
    with lmdb.open(str(tmp_path), max_dbs=2) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"bob", b"damaged", db=environment.open_db(b"profiles", txn=transaction))
    store = LmdbStore(tmp_path)
    batch = batch_of(package, RecommendRequest(user_id="bob"), RecommendRequest(user_id="ann"))
    profiles = profile(batch, store=store, catalog=package.catalog, max_history=10)
    assert profiles.cold_B.tolist() == [True, False]
    assert [len(degraded) for degraded in batch.degraded] == [1, 0]
    store.close()
