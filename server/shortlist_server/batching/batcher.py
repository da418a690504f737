"""The batcher: handlers on the event loop submit requests to its queues, worker threads take them out in batches.

An idle worker takes what waits at once, so a lone request is never delayed; while a worker is busy, requests gather in
its queue, up to a number of rows. What has expired is dropped before any work, and what cannot be served in time is
refused.

Each queue owns one worker thread. One, because two batches of the same work at once would fight over the interpreter's
lock instead of growing: 64 callers got 396 requests/s from two workers in the pipeline and 783 from one
(server/benchmarks, 2 cores). And its own, because a long search must not hold up recommendations.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from shortlist_server.batching.deadline import Deadline, Task
from shortlist_server.errors import DeadlineImpossibleError, OverloadedError

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")
Run = Callable[[Sequence[Task[RequestT]]], Sequence[ReplyT | Exception]]

# A fifth of the way to each new cost, as in levels.py: a stall of one batch does not refuse the callers of the next.
SMOOTHING = 0.2
# What a refused caller is told to wait at least: before the first batch nothing is known, and 0 would bring it back
# at once. A few batches are answered in this time.
LEAST_RETRY_S = 0.01


def _no_cost() -> float:
    return 0.0


@dataclass(slots=True)
class _Shared:
    """What all queues of a batcher share. `lock` guards it and the queues themselves."""

    max_batch_rows: int
    max_waiting: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    num_waiting: int = 0
    closing: bool = False


@dataclass(slots=True, eq=False)
class _Waiting:
    request: Any
    deadline: Deadline
    num_rows: int
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    arrived_ns: int = field(default_factory=time.perf_counter_ns)

    def task(self) -> Task[Any]:
        return Task(self.request, self.deadline, time.perf_counter_ns() - self.arrived_ns)


class Batcher:
    """Makes queues and ends them. A batch has at most `max_batch_rows` rows, or is one request that has more.

    `max_waiting` is one limit for all queues together: it bounds the memory of waiting requests.
    """

    def __init__(self, *, max_batch_rows: int = 64, max_waiting: int = 1024) -> None:
        for name, value in (("max_batch_rows", max_batch_rows), ("max_waiting", max_waiting)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self._shared = _Shared(max_batch_rows, max_waiting)
        self.queues: dict[str, Queue[Any, Any]] = {}

    def queue(
        self, name: str, run: Run[RequestT, ReplyT], least_s: Callable[[], float] = _no_cost
    ) -> Queue[RequestT, ReplyT]:
        """A new queue, whose worker thread starts at once and is called `name`.

        `run` answers a batch, one reply or exception per task, in order; `least_s` returns the seconds that its
        cheapest answer takes. No two queues have one name.
        """
        assert not self._shared.closing, "a queue was asked of a closed batcher"
        assert name not in self.queues, f"there is a queue {name!r} already"
        self.queues[name] = queue = Queue(name, run, least_s, self._shared)
        return queue

    @property
    def num_waiting(self) -> int:
        """Requests that wait in all queues; those whose batch has begun do not count."""
        return self._shared.num_waiting

    def close(self) -> None:
        """Refuse new requests, finish those that wait, then end the worker threads."""
        with self._shared.lock:
            self._shared.closing = True
        for queue in self.queues.values():
            queue.join()


class Queue(Generic[RequestT, ReplyT]):
    """Requests of one kind, which share batches, and the thread that answers them. Made by `Batcher.queue`."""

    def __init__(self, name: str, run: Run[RequestT, ReplyT], least_s: Callable[[], float], shared: _Shared) -> None:
        self.name = name
        self._run = run
        self._least_s = least_s
        self._shared = shared
        self._changed = threading.Condition(shared.lock)
        self._waiting: deque[_Waiting] = deque()
        self._waiting_rows = 0
        self._busy = False
        self._row_cost_s: float | None = None
        self._worker = threading.Thread(target=self._work, name=name, daemon=True)
        self._worker.start()

    async def submit(self, request: RequestT, *, deadline_at_s: float = math.inf, num_rows: int = 1) -> ReplyT:
        """Wait for the answer to one request.

        Raises OverloadedError when too many requests wait or the queue is too long for the deadline,
        DeadlineImpossibleError when the deadline has passed or is shorter than the cheapest answer, and whatever
        `run` answers for this request.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ReplyT] = loop.create_future()
        deadline = Deadline(at_s=deadline_at_s, cancelled=future.cancelled)
        with self._changed:
            self._admit(deadline)
            # One wake-up a batch: each takes the interpreter's lock, and a busy worker comes back by itself.
            if not self._waiting and not self._busy:
                self._changed.notify()
            self._waiting.append(_Waiting(request, deadline, num_rows, future, loop))
            self._waiting_rows += num_rows
            self._shared.num_waiting += 1
        return await future

    @property
    def num_waiting(self) -> int:
        """Requests that wait in this queue; those whose batch has begun do not count."""
        return len(self._waiting)

    def observe(self, num_rows: int, seconds: float) -> None:
        """Take the measured duration of a batch of `num_rows`: what `submit` expects of the queue from now on."""
        row_cost_s = seconds / num_rows
        with self._shared.lock:
            before = row_cost_s if self._row_cost_s is None else self._row_cost_s
            self._row_cost_s = before + SMOOTHING * (row_cost_s - before)

    def join(self) -> None:
        """Wait until the worker has answered what waits and ended; only once the batcher is closing."""
        with self._changed:
            self._changed.notify()
        self._worker.join()

    def _admit(self, deadline: Deadline) -> None:
        queue_s = self._waiting_rows * (self._row_cost_s or 0.0)
        num_waiting = self._shared.num_waiting
        if self._shared.closing:
            raise OverloadedError("the server is shutting down", retry_after_s=1.0)
        if num_waiting >= self._shared.max_waiting:
            raise OverloadedError(f"{num_waiting} requests wait already", retry_after_s=max(queue_s, LEAST_RETRY_S))
        remaining_s, least_s = deadline.remaining_s(), self._least_s()
        if remaining_s <= least_s:
            raise DeadlineImpossibleError(
                f"{max(remaining_s, 0.0) * 1e3:.1f} ms are left, at least {least_s * 1e3:.1f} ms are needed"
            )
        if queue_s + least_s > remaining_s:
            raise OverloadedError(
                f"the queue takes about {queue_s * 1e3:.0f} ms, {remaining_s * 1e3:.0f} ms are left",
                retry_after_s=max(queue_s, LEAST_RETRY_S),
            )

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                while not self._waiting:
                    if self._shared.closing:
                        return
                    self._changed.wait()
                self._busy = True
                batch = self._take()
            self._answer(batch)

    def _take(self) -> list[_Waiting]:
        """The oldest request and those that fit into a batch with it; the others keep their order."""
        batch, num_rows, passed = list[_Waiting](), 0, list[_Waiting]()
        while self._waiting and num_rows < self._shared.max_batch_rows:
            waiting = self._waiting.popleft()
            if not batch or num_rows + waiting.num_rows <= self._shared.max_batch_rows:
                batch.append(waiting)
                num_rows += waiting.num_rows
            else:
                passed.append(waiting)
        self._waiting.extendleft(reversed(passed))
        self._waiting_rows -= num_rows
        self._shared.num_waiting -= len(batch)
        return batch

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        wanted = _drop_expired(batch)
        if not wanted:
            return
        started = time.perf_counter()
        try:
            outcomes = self._run([waiting.task() for waiting in wanted])
            assert len(outcomes) == len(wanted), f"{self.name} answered {len(outcomes)} of {len(wanted)} requests"
        except Exception as error:  # noqa: BLE001 - one poisonous request must not take the others with it
            if len(wanted) > 1:
                for waiting in wanted:
                    self._answer([waiting])
                return
            outcomes = [error]
        self.observe(sum(waiting.num_rows for waiting in wanted), time.perf_counter() - started)
        _deliver(wanted, outcomes)


def _drop_expired(batch: Sequence[_Waiting]) -> list[_Waiting]:
    """The requests of the batch that still want an answer; the others are told that they get none."""
    wanted, expired = list[_Waiting](), list[_Waiting]()
    for waiting in batch:
        (expired if waiting.deadline.expired() else wanted).append(waiting)
    _deliver(expired, [DeadlineImpossibleError("the deadline passed while the request waited") for _ in expired])
    return wanted


def _deliver(batch: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
    """Hand the outcomes to the event loop, in one call however many there are: each call wakes the loop."""
    if batch:
        batch[0].loop.call_soon_threadsafe(_settle, list(zip(batch, outcomes, strict=True)))


def _settle(settled: Sequence[tuple[_Waiting, Any]]) -> None:
    for waiting, outcome in settled:
        if waiting.future.done():
            continue
        if isinstance(outcome, Exception):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)
