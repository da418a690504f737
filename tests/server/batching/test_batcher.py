"""The batcher: idle workers take at once, busy ones let requests gather, nothing waits in vain."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from shortlist_server.batching.batcher import Batcher, Queue
from shortlist_server.batching.deadline import Task
from shortlist_server.errors import DeadlineImpossibleError, OverloadedError


class Gate:
    """Answers each request with the size of its batch, and holds batches back while it is shut."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[str]] = []

    def run(self, tasks: Sequence[Task[str]]) -> list[int | Exception]:
        self.batches.append([task.request for task in tasks])
        self.entered.release()
        assert self.open.wait(30)
        if "poison" in self.batches[-1]:
            raise ArithmeticError("poison")
        return [len(tasks) if task.request != "bad" else KeyError(task.request) for task in tasks]

    async def busy(self) -> None:
        await asyncio.to_thread(self.entered.acquire, True, 30)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    opened = Batcher(max_batch_rows=4, max_waiting=6)
    yield opened
    opened.close()


@pytest.fixture
def queue(batcher: Batcher, gate: Gate) -> Queue[str, int]:
    return batcher.queue("gated", gate.run)


async def queued(queue: Queue[str, int], gate: Gate, names: Sequence[str], **options: Any) -> list[asyncio.Task[int]]:
    """One request that keeps the worker busy, then these, waiting."""
    waiting = [asyncio.create_task(queue.submit("first"))]
    await gate.busy()
    waiting += [asyncio.create_task(queue.submit(name, **options)) for name in names]
    await asyncio.sleep(0)  # lets every one of them reach the queue
    return waiting


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


def echo(tasks: Sequence[Task[str]]) -> list[str]:
    return [task.request for task in tasks]


def test_a_lone_request_is_taken_at_once(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        gate.open.set()
        assert await queue.submit("only") == 1

    run(scenario)
    assert gate.batches == [["only"]]


def test_requests_gather_while_the_worker_is_busy_up_to_the_row_limit(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, ["a", "b", "c", "d", "e"])
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 4, 4, 4, 4, 1]

    run(scenario)
    assert gate.batches == [["first"], ["a", "b", "c", "d"], ["e"]]


def test_rows_are_counted_not_requests(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, ["a", "b", "c"], num_rows=2)
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 2, 2, 1]

    run(scenario)


def test_a_request_that_does_not_fit_is_passed_by_a_smaller_one_and_comes_next(
    queue: Queue[str, int], gate: Gate
) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, ["two rows"], num_rows=2)
        waiting += [asyncio.create_task(queue.submit(name, num_rows=rows)) for name, rows in (("four", 4), ("one", 1))]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(*waiting)

    run(scenario)
    assert gate.batches == [["first"], ["two rows", "one"], ["four"]]


def test_a_busy_queue_does_not_hold_up_another_one_and_runs_one_batch_at_a_time(
    batcher: Batcher, queue: Queue[str, int], gate: Gate
) -> None:
    other = batcher.queue("other", echo)

    async def scenario() -> None:
        waiting = await queued(queue, gate, ["a", "b"])
        assert await other.submit("x") == "x"
        assert gate.batches == [["first"]]
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 2, 2]

    run(scenario)
    assert gate.batches == [["first"], ["a", "b"]]


def test_queues_do_not_mix_and_keep_their_order(batcher: Batcher, queue: Queue[str, int], gate: Gate) -> None:
    held = Gate()
    other = batcher.queue("other", held.run)

    async def scenario() -> None:
        waiting = await queued(queue, gate, ["a"])
        waiting += await queued(other, held, ["x"])
        waiting += [asyncio.create_task(queue.submit("b")), asyncio.create_task(other.submit("y"))]
        await asyncio.sleep(0)
        held.open.set()
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 2, 1, 2, 2, 2]

    run(scenario)
    assert gate.batches == [["first"], ["a", "b"]]
    assert held.batches == [["first"], ["x", "y"]]


def test_too_many_waiting_requests_are_refused_with_the_time_to_wait(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, list("abcdef"))
        with pytest.raises(OverloadedError, match="6 requests wait") as refused:
            await queue.submit("one too many")
        assert refused.value.retry_after_s > 0
        gate.open.set()
        await asyncio.gather(*waiting)
        assert await queue.submit("welcome again") == 1

    run(scenario)


def test_the_limit_counts_requests_however_many_rows_they_have(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, list("abcdef"), num_rows=100)
        with pytest.raises(OverloadedError, match="6 requests wait"):
            await queue.submit("one too many")
        gate.open.set()
        await asyncio.gather(*waiting)

    run(scenario)
    assert gate.batches == [["first"], *([name] for name in "abcdef")]


def test_the_limit_is_one_for_all_queues(batcher: Batcher, queue: Queue[str, int], gate: Gate) -> None:
    other = batcher.queue("other", echo)

    async def scenario() -> None:
        waiting = await queued(queue, gate, list("abcdef"))
        assert (queue.num_waiting, other.num_waiting, batcher.num_waiting) == (6, 0, 6)
        with pytest.raises(OverloadedError, match="6 requests wait"):
            await other.submit("one too many")
        gate.open.set()
        await asyncio.gather(*waiting)
        assert batcher.num_waiting == 0
        assert await other.submit("welcome again") == "welcome again"

    run(scenario)


def test_every_request_of_many_queues_is_answered() -> None:
    batcher = Batcher(max_batch_rows=3)
    queues = [batcher.queue(f"queue-{number}", echo) for number in range(5)]

    async def scenario() -> None:
        for _ in range(20):
            answers = [queues[number % 5].submit(str(number)) for number in range(60)]
            assert await asyncio.gather(*answers) == [str(number) for number in range(60)]

    run(scenario)
    batcher.close()


def test_a_request_that_expired_in_the_queue_is_never_run(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        deadline_at_s = time.monotonic() + 0.05
        waiting = await queued(queue, gate, ["late"], deadline_at_s=deadline_at_s)
        while time.monotonic() <= deadline_at_s:
            await asyncio.sleep(0)
        gate.open.set()
        with pytest.raises(DeadlineImpossibleError):
            await waiting[1]
        await waiting[0]

    run(scenario)
    assert gate.batches == [["first"]]


def test_a_request_whose_caller_went_away_is_never_run(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, ["gone", "there"])
        waiting[1].cancel()
        await asyncio.sleep(0)
        gate.open.set()
        assert await waiting[2] == 1

    run(scenario)
    assert gate.batches == [["first"], ["there"]]


def test_a_deadline_shorter_than_the_cheapest_answer_is_refused_at_once(batcher: Batcher, gate: Gate) -> None:
    slow = batcher.queue("slow", gate.run, lambda: 5.0)

    async def scenario() -> None:
        with pytest.raises(DeadlineImpossibleError, match=r"5000\.0 ms are needed"):
            await slow.submit("hopeless", deadline_at_s=time.monotonic() + 1.0)

    run(scenario)
    assert gate.batches == []


def test_a_queue_longer_than_the_deadline_is_overload(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        queue.observe(num_rows=4, seconds=40.0)
        waiting = await queued(queue, gate, ["a", "b"])
        with pytest.raises(OverloadedError, match="the queue takes about") as refused:
            await queue.submit("no time", deadline_at_s=time.monotonic() + 2.0)
        assert refused.value.retry_after_s == pytest.approx(20.0)
        gate.open.set()
        await asyncio.gather(*waiting)

    run(scenario)


def test_a_slow_queue_does_not_make_another_one_look_long(batcher: Batcher, queue: Queue[str, int], gate: Gate) -> None:
    quick = batcher.queue("quick", echo)

    async def scenario() -> None:
        queue.observe(num_rows=1, seconds=10.0)
        waiting = await queued(queue, gate, ["a", "b"])
        assert await quick.submit("in time", deadline_at_s=time.monotonic() + 5.0) == "in time"
        gate.open.set()
        await asyncio.gather(*waiting)

    run(scenario)


def test_a_request_that_breaks_its_batch_does_not_take_the_others_with_it(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, ["a", "poison", "bad"])
        gate.open.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert outcomes[:2] == [1, 1]
        assert [type(outcome) for outcome in outcomes[2:]] == [ArithmeticError, KeyError]

    run(scenario)


def test_a_batch_with_too_few_answers_fails_and_does_not_end_the_worker(batcher: Batcher) -> None:
    def answer_some(tasks: Sequence[Task[str]]) -> list[str]:
        return [task.request for task in tasks if task.request != "lost"]

    forgetful = batcher.queue("forgetful", answer_some)

    async def scenario() -> None:
        with pytest.raises(AssertionError, match="forgetful answered 0 of 1 requests"):
            await forgetful.submit("lost")
        assert await forgetful.submit("heard") == "heard"

    run(scenario)


def test_the_outcomes_of_a_batch_reach_the_event_loop_in_one_call(
    queue: Queue[str, int], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, ["a", "b", "c", "d"])
        loop, calls = asyncio.get_running_loop(), list[str]()
        call_soon_threadsafe = loop.call_soon_threadsafe

        def counting(callback: Callable[..., object], *arguments: Any, **options: Any) -> asyncio.Handle:
            if threading.current_thread().name == "gated":
                calls.append(queue.name)
            return call_soon_threadsafe(callback, *arguments, **options)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counting)
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 4, 4, 4, 4]
        assert calls == ["gated", "gated"]

    run(scenario)


def test_closing_finishes_what_waits_and_refuses_what_comes(
    batcher: Batcher, queue: Queue[str, int], gate: Gate
) -> None:
    async def scenario() -> None:
        waiting = await queued(queue, gate, ["a", "b"])
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 2, 2]
        await closing
        with pytest.raises(OverloadedError, match="shutting down"):
            await queue.submit("too late")

    run(scenario)


@pytest.mark.parametrize("option", ["max_batch_rows", "max_waiting"])
def test_sizes_below_one_are_refused_by_name(option: str) -> None:
    sizes = {option: 0}
    with pytest.raises(ValueError, match=option):
        Batcher(**sizes)


def test_requests_without_deadline_wait_as_long_as_it_takes(queue: Queue[str, int], gate: Gate) -> None:
    async def scenario() -> None:
        queue.observe(num_rows=1, seconds=1e6)
        waiting = await queued(queue, gate, ["patient"], deadline_at_s=math.inf)
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 1]

    run(scenario)
