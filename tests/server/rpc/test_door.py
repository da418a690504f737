"""The door: idle workers take at once, busy ones let requests gather, nothing waits in vain."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from shortlist_server.errors import DeadlineImpossible, Overloaded
from shortlist_server.pipeline.task import Task
from shortlist_server.rpc.door import Door, Lane


class Gate:
    """A lane that answers each request with the size of its batch, and holds batches back while it is shut."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[str]] = []
        self.lane: Lane[str, int] = Lane("gate", self.run)

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
def door() -> Iterator[Door]:
    opened = Door(num_workers=1, max_batch_rows=4, max_queued=6)
    yield opened
    opened.close()


async def queued(door: Door, gate: Gate, names: Sequence[str], **options: Any) -> list[asyncio.Task[int]]:
    """One request that keeps the worker busy, then these, waiting."""
    waiting = [asyncio.create_task(door.submit(gate.lane, "first"))]
    await gate.busy()
    waiting += [asyncio.create_task(door.submit(gate.lane, name, **options)) for name in names]
    await asyncio.sleep(0)  # lets every one of them reach the queue
    return waiting


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_lone_request_is_taken_at_once(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        gate.open.set()
        assert await door.submit(gate.lane, "only") == 1

    run(scenario)
    assert gate.batches == [["only"]]


def test_requests_gather_while_the_worker_is_busy_up_to_the_row_limit(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(door, gate, ["a", "b", "c", "d", "e"])
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 4, 4, 4, 4, 1]

    run(scenario)
    assert gate.batches == [["first"], ["a", "b", "c", "d"], ["e"]]


def test_rows_are_counted_not_requests(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(door, gate, ["a", "b", "c"], num_rows=2)
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 2, 2, 1]

    run(scenario)


def test_a_busy_lane_does_not_hold_up_another_one_and_has_one_worker_only(gate: Gate) -> None:
    door, other = Door(num_workers=3), Gate()
    other.open.set()

    async def scenario() -> None:
        waiting = await queued(door, gate, ["a", "b"])
        assert await door.submit(other.lane, "x") == 1
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 2, 2]

    run(scenario)
    door.close()
    assert gate.batches == [["first"], ["a", "b"]]


def test_lanes_do_not_mix_and_keep_their_order(door: Door, gate: Gate) -> None:
    other = Gate()
    other.open.set()

    async def scenario() -> None:
        waiting = await queued(door, gate, ["a"])
        waiting.append(asyncio.create_task(door.submit(other.lane, "x")))
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(door.submit(gate.lane, "b")))
        await asyncio.sleep(0)
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 2, 1, 2]

    run(scenario)
    assert gate.batches == [["first"], ["a", "b"]]
    assert other.batches == [["x"]]


def test_a_full_queue_refuses_with_the_time_to_wait(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(door, gate, list("abcdef"))
        with pytest.raises(Overloaded, match="6 requests wait") as refused:
            await door.submit(gate.lane, "one too many")
        assert refused.value.retry_after_s > 0
        gate.open.set()
        await asyncio.gather(*waiting)
        assert await door.submit(gate.lane, "welcome again") == 1

    run(scenario)


def test_the_queue_is_full_of_requests_however_many_rows_they_have(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(door, gate, list("abcdef"), num_rows=100)
        with pytest.raises(Overloaded, match="6 requests wait"):
            await door.submit(gate.lane, "one too many")
        gate.open.set()
        await asyncio.gather(*waiting)

    run(scenario)
    assert gate.batches == [["first"], *([name] for name in "abcdef")]


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_every_request_of_many_lanes_is_answered_by_few_workers(num_workers: int) -> None:
    door = Door(num_workers=num_workers, max_batch_rows=3)
    lanes: list[Lane[int, int]] = [
        Lane(f"lane-{number}", lambda tasks: [task.request for task in tasks]) for number in range(5)
    ]

    async def scenario() -> None:
        for _ in range(20):
            answers = [door.submit(lanes[number % 5], number) for number in range(60)]
            assert await asyncio.gather(*answers) == list(range(60))

    run(scenario)
    door.close()


def test_a_request_that_expired_in_the_queue_is_never_run(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        deadline_at_s = time.monotonic() + 0.05
        waiting = await queued(door, gate, ["late"], deadline_at_s=deadline_at_s)
        while time.monotonic() <= deadline_at_s:
            await asyncio.sleep(0)
        gate.open.set()
        with pytest.raises(DeadlineImpossible):
            await waiting[1]
        await waiting[0]

    run(scenario)
    assert gate.batches == [["first"]]


def test_a_request_whose_caller_went_away_is_never_run(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(door, gate, ["gone", "there"])
        waiting[1].cancel()
        await asyncio.sleep(0)
        gate.open.set()
        assert await waiting[2] == 1

    run(scenario)
    assert gate.batches == [["first"], ["there"]]


def test_a_deadline_shorter_than_the_cheapest_answer_is_refused_at_once(door: Door, gate: Gate) -> None:
    slow: Lane[str, int] = Lane("slow", gate.run, lambda: 5.0)

    async def scenario() -> None:
        with pytest.raises(DeadlineImpossible, match=r"5000\.0 ms are needed"):
            await door.submit(slow, "hopeless", deadline_at_s=time.monotonic() + 1.0)

    run(scenario)
    assert gate.batches == []


def test_a_queue_longer_than_the_deadline_is_overload(gate: Gate) -> None:
    door = Door(num_workers=1)

    async def scenario() -> None:
        door._row_cost_s[gate.lane] = 10.0
        waiting = await queued(door, gate, ["a", "b"])
        with pytest.raises(Overloaded, match="the queue takes about") as refused:
            await door.submit(gate.lane, "no time", deadline_at_s=time.monotonic() + 2.0)
        assert refused.value.retry_after_s == pytest.approx(20.0)
        gate.open.set()
        await asyncio.gather(*waiting)

    run(scenario)
    door.close()


def test_a_slow_lane_does_not_make_the_queue_of_another_look_long(gate: Gate) -> None:
    door = Door(num_workers=2)
    quick: Lane[str, str] = Lane("quick", lambda tasks: [task.request for task in tasks])

    async def scenario() -> None:
        door._row_cost_s[gate.lane] = 10.0
        waiting = await queued(door, gate, ["a", "b"])
        assert await door.submit(quick, "in time", deadline_at_s=time.monotonic() + 5.0) == "in time"
        gate.open.set()
        await asyncio.gather(*waiting)

    run(scenario)
    door.close()


def test_a_request_that_breaks_its_batch_does_not_take_the_others_with_it(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        waiting = await queued(door, gate, ["a", "poison", "bad"])
        gate.open.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert outcomes[:2] == [1, 1]
        assert [type(outcome) for outcome in outcomes[2:]] == [ArithmeticError, KeyError]

    run(scenario)


def test_closing_finishes_what_waits_and_refuses_what_comes(gate: Gate) -> None:
    door = Door(num_workers=2)

    async def scenario() -> None:
        waiting = [asyncio.create_task(door.submit(gate.lane, name)) for name in "abc"]
        await gate.busy()
        closing = asyncio.create_task(asyncio.to_thread(door.close))
        gate.open.set()
        await asyncio.gather(*waiting)
        await closing
        with pytest.raises(Overloaded, match="shutting down"):
            await door.submit(gate.lane, "too late")

    run(scenario)


@pytest.mark.parametrize("option", ["num_workers", "max_batch_rows", "max_queued"])
def test_sizes_below_one_are_refused_by_name(option: str) -> None:
    sizes = {"num_workers": 1, option: 0}
    with pytest.raises(ValueError, match=option):
        Door(**sizes)


def test_requests_without_deadline_wait_as_long_as_it_takes(door: Door, gate: Gate) -> None:
    async def scenario() -> None:
        door._row_cost_s[gate.lane] = 1e6
        waiting = await queued(door, gate, ["patient"], deadline_at_s=math.inf)
        gate.open.set()
        assert await asyncio.gather(*waiting) == [1, 1]

    run(scenario)
