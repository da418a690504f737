"""Group commit: whatever waits becomes durable in one transaction, so that one fsync serves many callers."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

from shortlist_server.errors import OverloadedError, StateError
from shortlist_server.state.store import EventBatch, Store

# As many as one request may bring. An fsync is shared well before that; a longer transaction would only hold the
# machine-wide write lock, and its callers, for longer.
_EVENTS_PER_COMMIT: Final = 10_000
# Some group commits: an import that is told to wait finds room again, and does not ask in a tight loop.
_RETRY_AFTER_S: Final = 0.5


class _Waiting(NamedTuple):
    batch: EventBatch
    answer: Future[int]


class GroupCommit:
    """One thread that writes to the store. A batch whose caller has gone before its turn is not written.

    Of a group that the store refuses, each batch is tried alone, so that one which cannot be written costs no other.
    """

    def __init__(self, store: Store, max_waiting_events: int = 100_000) -> None:
        self._store = store
        self._max_waiting_events = max_waiting_events
        self._lock = threading.Lock()
        self._num_waiting_events = 0
        self._closing = False
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_until_closed, name="group-commit", daemon=True)
        self._thread.start()

    async def append(self, batch: EventBatch) -> int:
        """Record the events; returns how many were new, when they are durable. Raises StateError when the store
        refuses or is closing, OverloadedError when too many events wait already.
        """
        return await asyncio.wrap_future(self._submit(batch))

    def close(self) -> None:
        """Write what waits, then stop. Later calls of `append` raise StateError. The store stays open."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._queue.put(None)
        self._thread.join()

    def _submit(self, batch: EventBatch) -> Future[int]:
        answer: Future[int] = Future()
        with self._lock:
            if self._closing:
                raise StateError("the store is closing")
            # A batch larger than the limit may pass when nothing else waits, or it never could.
            if self._num_waiting_events and self._num_waiting_events + len(batch) > self._max_waiting_events:
                raise OverloadedError(f"{self._num_waiting_events} events wait for the store", _RETRY_AFTER_S)
            self._num_waiting_events += len(batch)
            self._queue.put(_Waiting(batch, answer))
        return answer

    def _write_until_closed(self) -> None:
        closing = False
        while not closing:
            first = self._queue.get()
            if first is None:
                return
            group, closing = self._gather(first)
            self._write(group)

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """What waits behind `first`, up to a limit of events, and whether the end of the queue was reached."""
        group, num_events = [first], len(first.batch)
        while num_events < _EVENTS_PER_COMMIT:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return group, True
            group.append(waiting)
            num_events += len(waiting.batch)
        return group, False

    def _write(self, group: list[_Waiting]) -> None:
        wanted = [waiting for waiting in group if waiting.answer.set_running_or_notify_cancel()]
        outcomes = self._append([waiting.batch for waiting in wanted])
        # Before the answers, so that a caller who has one finds its place in the queue free again.
        with self._lock:
            self._num_waiting_events -= sum(len(waiting.batch) for waiting in group)
        for waiting, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)

    def _append(self, batches: list[EventBatch]) -> Sequence[int | Exception]:
        """How many events of each batch were new, or why it was not written."""
        try:
            return self._store.append_all(batches) if batches else []
        except Exception as error:  # noqa: BLE001 - the thread must outlive any fault, and the waiters must hear of it
            if len(batches) == 1:
                return [error]
        return [outcome for batch in batches for outcome in self._append([batch])]
