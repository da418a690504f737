"""Many callers, one transaction: each gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shortlist_server.errors import OverloadedError, StateError
from shortlist_server.state import EventBatch
from shortlist_server.state.group_commit import GroupCommit
from shortlist_server.state.lmdb_store import LmdbStore


def event(item: str, copies: int = 1) -> EventBatch:
    return EventBatch(
        ["u"] * copies,
        [item] * copies,
        np.full(copies, 1, np.uint8),
        np.zeros(copies, np.int64),
        np.zeros(copies, np.float32),
    )


class GatedStore(LmdbStore):
    """The real store, which notes the size of each transaction and holds the first until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.groups: list[int] = []
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def append_all(self, batches: Sequence[EventBatch]) -> list[int]:
        self.groups.append(len(batches))
        self.entered.set()
        self.let_go.wait()
        return super().append_all(batches)


async def begin(commit: GroupCommit, store: GatedStore, batch: EventBatch) -> asyncio.Task[int]:
    """A first append that is inside its transaction, so that what comes next has to wait."""
    task = asyncio.create_task(commit.append(batch))
    await asyncio.to_thread(store.entered.wait)
    return task


def test_what_waits_becomes_one_transaction_and_each_caller_its_own_count(tmp_path: Path) -> None:
    store = GatedStore(tmp_path)
    commit = GroupCommit(store)

    async def scenario() -> list[int]:
        first = await begin(commit, store, event("a"))
        others = [asyncio.create_task(commit.append(event(item))) for item in ("a", "b", "b", "c")]
        await asyncio.sleep(0)  # lets the tasks reach the queue
        store.let_go.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(scenario()) == [1, 0, 1, 0, 1]
    assert store.groups == [1, 4]
    commit.close()
    store.close()


def test_a_caller_that_has_gone_is_not_written(tmp_path: Path) -> None:
    store = GatedStore(tmp_path)
    commit = GroupCommit(store)

    async def scenario() -> None:
        first = await begin(commit, store, event("a"))
        gone = asyncio.create_task(commit.append(event("gone")))
        stays = asyncio.create_task(commit.append(event("b")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        store.let_go.set()
        await asyncio.gather(first, stays)

    asyncio.run(scenario())
    commit.close()
    assert store.profiles(["u"])[0].item_ids == ["a", "b"]
    store.close()


def test_too_much_waiting_is_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    store = GatedStore(tmp_path)
    commit = GroupCommit(store, max_waiting_events=3)

    async def scenario() -> list[int]:
        first = await begin(commit, store, event("a", copies=4))
        with pytest.raises(OverloadedError, match="4 events wait") as refusal:
            await commit.append(event("b"))
        assert refusal.value.retry_after_s > 0
        store.let_go.set()
        return [await first, await commit.append(event("b"))]

    assert asyncio.run(scenario()) == [1, 1]
    commit.close()
    store.close()


def test_close_writes_what_waits_and_refuses_what_comes_later(tmp_path: Path) -> None:
    store = GatedStore(tmp_path)
    commit = GroupCommit(store)

    async def scenario() -> list[int]:
        first = await begin(commit, store, event("a"))
        second = asyncio.create_task(commit.append(event("b")))
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(commit.close))
        store.let_go.set()
        await closing
        with pytest.raises(StateError, match="closing"):
            await commit.append(event("c"))
        return [await first, await second]

    assert asyncio.run(scenario()) == [1, 1]
    assert store.count_events() == 2
    commit.close()
    store.close()


def test_a_store_that_fails_tells_every_waiter(tmp_path: Path) -> None:
    store = GatedStore(tmp_path)
    commit = GroupCommit(store)

    async def scenario() -> list[BaseException | int]:
        first = await begin(commit, store, event("a"))
        second = asyncio.create_task(commit.append(event("b")))
        await asyncio.sleep(0)
        store.close()
        store.let_go.set()
        return list(await asyncio.gather(first, second, commit.append(event("c")), return_exceptions=True))

    assert [type(answer) for answer in asyncio.run(scenario())] == [StateError, StateError, StateError]
    commit.close()


class PickyStore(GatedStore):
    """Refuses whatever comes with a batch of item "bad", as a store does that cannot write it."""

    def append_all(self, batches: Sequence[EventBatch]) -> list[int]:
        if any("bad" in batch.item_ids for batch in batches):
            self.groups.append(len(batches))
            raise StateError("no room for it")
        return super().append_all(batches)


def test_a_batch_that_cannot_be_written_costs_no_other(tmp_path: Path) -> None:
    store = PickyStore(tmp_path)
    commit = GroupCommit(store)

    async def scenario() -> list[BaseException | int]:
        first = await begin(commit, store, event("a"))
        others = [asyncio.create_task(commit.append(event(item))) for item in ("b", "bad", "c")]
        await asyncio.sleep(0)
        store.let_go.set()
        return list(await asyncio.gather(first, *others, return_exceptions=True))

    answers = asyncio.run(scenario())
    assert [answer for answer in answers if not isinstance(answer, StateError)] == [1, 1, 1]
    assert store.groups == [1, 3, 1, 1, 1]
    assert store.count_events() == 3
    commit.close()
    store.close()
