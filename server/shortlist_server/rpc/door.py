"""The door: handlers of the event loop hand requests in, worker threads take them out in batches.

An idle worker takes what waits at once, so a lone request is never delayed; while a lane is busy its requests gather,
up to a number of rows. What has expired is dropped before any work, and what cannot be served in time is refused.

A lane is served by one worker at a time, because two batches at once would fight over the interpreter's lock instead of
growing: 64 callers got 396 requests/s from two workers in the funnel and 783 from one (server/benchmarks, 2 cores).
More workers than one keep a long search from holding up recommendations.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from shortlist_server.errors import DeadlineImpossible, Overloaded
from shortlist_server.pipeline.task import Deadline, Task

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")

SMOOTHING = 0.2
LEAST_RETRY_S = 0.01


def _no_cost() -> float:
    return 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Lane(Generic[RequestT, ReplyT]):
    """One kind of work. Requests of a lane share batches, and one worker at a time serves it.

    `run` answers a batch, one reply or exception per task, in order; `least_s` is the time of its cheapest answer.
    """

    name: str
    run: Callable[[Sequence[Task[RequestT]]], Sequence[ReplyT | Exception]]
    least_s: Callable[[], float] = field(default=_no_cost)


@dataclass(slots=True)
class _Waiting:
    lane: Lane[Any, Any]
    request: Any
    deadline: Deadline
    num_rows: int
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    arrived_ns: int = field(default_factory=time.perf_counter_ns)


class Door:
    """A queue of at most `max_queued` requests in front of a few worker threads.

    A batch has at most `max_batch_rows` rows, or is one request that has more.
    """

    def __init__(self, *, num_workers: int, max_batch_rows: int = 64, max_queued: int = 1024) -> None:
        for name, value in (
            ("num_workers", num_workers),
            ("max_batch_rows", max_batch_rows),
            ("max_queued", max_queued),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self._max_batch_rows = max_batch_rows
        self._max_queued = max_queued
        self._queue: deque[_Waiting] = deque()
        self._queued_rows: Counter[Lane[Any, Any]] = Counter()
        self._busy: set[Lane[Any, Any]] = set()
        self._row_cost_s: dict[Lane[Any, Any], float] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._workers = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True) for number in range(num_workers)
        ]
        for worker in self._workers:
            worker.start()

    async def submit(
        self, lane: Lane[RequestT, ReplyT], request: RequestT, *, deadline_at_s: float = math.inf, num_rows: int = 1
    ) -> ReplyT:
        """Wait for the answer to one request.

        Raises Overloaded when the queue is full or too long for the deadline, DeadlineImpossible when the deadline has
        passed or is shorter than the cheapest answer, and whatever the lane answers for this request.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ReplyT] = loop.create_future()
        deadline = Deadline(at_s=deadline_at_s, cancelled=future.cancelled)
        with self._changed:
            self._admit(lane, deadline)
            # One wake-up a batch: each takes the interpreter's lock, and a busy worker comes back by itself.
            if not self._queued_rows[lane] and lane not in self._busy:
                self._changed.notify()
            self._queue.append(_Waiting(lane, request, deadline, num_rows, future, loop))
            self._queued_rows[lane] += num_rows
        return await future

    def close(self) -> None:
        """Finish what waits, then stop the workers."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _admit(self, lane: Lane[Any, Any], deadline: Deadline) -> None:
        queue_s = self._queued_rows[lane] * self._row_cost_s.get(lane, 0.0)
        if self._closing:
            raise Overloaded("the server is shutting down", retry_after_s=1.0)
        if len(self._queue) >= self._max_queued:
            raise Overloaded(f"{len(self._queue)} requests wait already", retry_after_s=max(queue_s, LEAST_RETRY_S))
        remaining_s = deadline.remaining_s()
        least_s = lane.least_s()
        if remaining_s <= least_s:
            raise DeadlineImpossible(
                f"{max(remaining_s, 0.0) * 1e3:.1f} ms are left, at least {least_s * 1e3:.1f} ms are needed"
            )
        if queue_s + least_s > remaining_s:
            raise Overloaded(
                f"the queue takes about {queue_s * 1e3:.0f} ms, {remaining_s * 1e3:.0f} ms are left",
                retry_after_s=max(queue_s, LEAST_RETRY_S),
            )

    def _work(self) -> None:
        while True:
            with self._changed:
                while (lane := self._oldest_free_lane()) is None:
                    if self._closing and not self._queue:
                        return
                    self._changed.wait()
                batch = self._take(lane)
                self._busy.add(lane)
                if self._oldest_free_lane() is not None:
                    self._changed.notify()
            self._serve([waiting for waiting in batch if self._is_wanted(waiting)])
            with self._changed:
                self._busy.remove(lane)
                if self._closing:
                    self._changed.notify_all()

    def _oldest_free_lane(self) -> Lane[Any, Any] | None:
        return next((waiting.lane for waiting in self._queue if waiting.lane not in self._busy), None)

    def _take(self, lane: Lane[Any, Any]) -> list[_Waiting]:
        """The oldest request of the lane and those that fit into the batch with it; the others keep their order."""
        batch, rows, passed = list[_Waiting](), 0, deque[_Waiting]()
        while self._queue and rows < self._max_batch_rows:
            waiting = self._queue.popleft()
            if waiting.lane is lane and (not batch or rows + waiting.num_rows <= self._max_batch_rows):
                batch.append(waiting)
                rows += waiting.num_rows
            else:
                passed.append(waiting)
        self._queue.extendleft(reversed(passed))
        self._queued_rows[lane] -= rows
        return batch

    def _is_wanted(self, waiting: _Waiting) -> bool:
        if not waiting.deadline.expired():
            return True
        _deliver([waiting], [DeadlineImpossible("the deadline passed while the request waited")])
        return False

    def _serve(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        started = time.perf_counter()
        try:
            outcomes = batch[0].lane.run([_task(waiting) for waiting in batch])
        except Exception as error:  # noqa: BLE001 - one poisonous request must not take the others with it
            if len(batch) > 1:
                for waiting in batch:
                    self._serve([waiting])
                return
            outcomes = [error]
        row_cost_s = (time.perf_counter() - started) / sum(waiting.num_rows for waiting in batch)
        with self._changed:
            before = self._row_cost_s.get(batch[0].lane, row_cost_s)
            self._row_cost_s[batch[0].lane] = before + SMOOTHING * (row_cost_s - before)
        _deliver(batch, outcomes)


def _task(waiting: _Waiting) -> Task[Any]:
    return Task(waiting.request, waiting.deadline, time.perf_counter_ns() - waiting.arrived_ns)


def _deliver(batch: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
    """Hand the outcomes to the event loop, in one call however many there are."""
    settled = list(zip(batch, outcomes, strict=True))
    batch[0].loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: Sequence[tuple[_Waiting, Any]]) -> None:
    for waiting, outcome in settled:
        if waiting.future.done():
            continue
        if isinstance(outcome, Exception):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)
