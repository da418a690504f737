"""profile: recorded events and the request's history become one history in rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lmdb
import numpy as np

from shortlist.v1.history_pb2 import EVENT_TYPE_DISLIKE, EVENT_TYPE_PURCHASE, EVENT_TYPE_VIEW, EventType, History
from shortlist.v1.recommendation_pb2 import RecommendRequest
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.batch import Batch, Profiles
from shortlist_server.pipeline.decode import decode
from shortlist_server.pipeline.profile import profile
from shortlist_server.pipeline.query import Defaults, Query
from shortlist_server.pipeline.task import UNLIMITED
from shortlist_server.state.lmdb_store import LmdbStore
from shortlist_server.state.store import EventBatch


def profile_of(package: Package, store: LmdbStore | None, history: History, user_id: str = "ann") -> Profiles:
    query = decode([RecommendRequest(user_id=user_id, history=history)], Defaults.of(package))[0]
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


def test_a_store_that_cannot_be_read_costs_the_recorded_events_only(package: Package, store: LmdbStore) -> None:
    store.close()
    query = decode([RecommendRequest(user_id="ann", history=History(item_ids=["item-009"]))], Defaults.of(package))[0]
    assert isinstance(query, Query)
    batch = Batch((query,), (UNLIMITED,))
    profiles = profile(batch, store=store, catalog=package.catalog, max_history=10)
    assert rows_of(profiles) == [9]
    assert [one.detail != "" for one in batch.degraded[0]] == [True]


def test_a_profile_that_cannot_be_read_costs_its_user_only(package: Package, tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    record(store, ("item-001", 5, EVENT_TYPE_VIEW))
    store.close()
    with lmdb.open(str(tmp_path), max_dbs=2) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"bob", b"damaged", db=environment.open_db(b"profiles", txn=transaction))
    store = LmdbStore(tmp_path)
    queries = decode([RecommendRequest(user_id=user_id) for user_id in ("bob", "ann")], Defaults.of(package))
    bob, ann = queries
    assert isinstance(bob, Query)
    assert isinstance(ann, Query)
    batch = Batch((bob, ann), (UNLIMITED, UNLIMITED))
    profiles = profile(batch, store=store, catalog=package.catalog, max_history=10)
    assert profiles.cold_B.tolist() == [True, False]
    assert [len(degraded) for degraded in batch.degraded] == [1, 0]
    store.close()
