"""`--workers N`: N server processes on one port, watched by this one.

The kernel spreads connections over the processes; each opens the same package and the same store. A worker that
dies is replaced; one whose parent has gone drains and ends.
"""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Final, NamedTuple

import structlog

from shortlist_server.config import Settings
from shortlist_server.listen import Ready, hold_port
from shortlist_server.shutdown import end_now, exit_code_of

# Longer than a start takes: who dies younger met a fault that its successor will meet too, so successors wait.
SHORT_LIFE_S: Final = 10.0
# A fault that was mended, a full disk say, is noticed within this time.
LONGEST_PAUSE_S: Final = 30.0
# A death ends the wait at once; this bounds how late a signal, or the end of a pause, is noticed.
POLL_S: Final = 0.5

log = structlog.get_logger(__name__)


def supervise(settings: Settings, tell: Callable[[Ready], None]) -> None:
    """Run the workers until SIGTERM or SIGINT; `tell` is called once all of them answer.

    Raises OSError when the port cannot be had.
    """
    with hold_port(settings, shared=True) as reserved:
        settings = dataclasses.replace(settings, port=reserved.getsockname()[1])
        supervisor = _Supervisor(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, supervisor.stop)
        supervisor.run(tell)


class _Worker(NamedTuple):
    process: SpawnProcess
    pipe: Connection
    started_s: float


class _Supervisor:
    """Keeps `settings.workers` processes alive."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, _Worker] = {}
        self._package_id: str | None = None
        self._stopping = False
        self._stopped_by = 0

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Ask every worker to drain, as a signal handler. SIGINT after that ends all processes at once."""
        if self._stopping and number == signal.SIGINT:
            for worker in self._workers.values():
                worker.process.kill()
            end_now(number)
        self._stopping, self._stopped_by = True, self._stopped_by or number
        for worker in self._workers.values():
            worker.process.terminate()

    def run(self, tell: Callable[[Ready], None]) -> None:
        """Start the workers, call `tell` when all of them answer, replace those that die, end when told to stop."""
        ready = self._start_all()
        if ready is not None:
            tell(ready)
            self._watch()
        failed_code = exit_code_of(self._stopped_by) if self._stopping else 2
        self.stop(signal.SIGTERM, None)
        for worker in self._workers.values():
            worker.process.join()
            worker.pipe.close()
        if ready is None:
            sys.exit(failed_code)

    def _start_all(self) -> Ready | None:
        """Start one worker, then the others: a fault that each would meet is told once, by the first. None when one
        of them ended before it served or a signal came.
        """
        first = _wait_until_ready(self._start())
        if first is None or self._stopping:
            return None
        self._package_id = first.package_id
        pipes = [self._start() for _ in range(self._settings.workers - 1)]
        others = [_wait_until_ready(pipe) for pipe in pipes]
        return None if self._stopping or None in others else first

    def _start(self) -> Connection:
        pipe, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self._settings, theirs, self._package_id), name="worker")
        with _interrupts_blocked():
            process.start()
        theirs.close()
        self._workers[process.sentinel] = _Worker(process, pipe, time.monotonic())
        if self._stopping:  # the signal came before the worker was known
            process.terminate()
        return pipe

    def _watch(self) -> None:
        """Replace the dead: at once one that lived a while, later and later those that die as soon as they start."""
        pause_s, due_s = 0.0, list[float]()
        while not self._stopping:
            for sentinel in wait(list(self._workers), timeout=POLL_S):
                assert isinstance(sentinel, int)
                worker = self._workers.pop(sentinel)
                worker.process.join()
                worker.pipe.close()
                now_s = time.monotonic()
                pause_s = min(2 * pause_s + 1, LONGEST_PAUSE_S) if now_s - worker.started_s < SHORT_LIFE_S else 0.0
                due_s.append(now_s + pause_s)
                if not self._stopping:
                    code = worker.process.exitcode
                    log.error("a worker died, starting another", exit_code=code, pause_seconds=pause_s)
            for _ in [at_s for at_s in due_s if at_s <= time.monotonic() and not self._stopping]:
                due_s.remove(min(due_s))
                self._start()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes started inside never see SIGINT: Ctrl-C reaches all processes of a terminal, and the parent passes it
    on to them as SIGTERM. A SIGINT to this process is delivered at the end.
    """
    resource_tracker.ensure_running()  # starting it, as the first worker would, unblocks SIGINT
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _wait_until_ready(pipe: Connection) -> Ready | None:
    """What the worker sends once it answers; None when it ended before, having said why on standard error."""
    try:
        ready: Ready = pipe.recv()
    except EOFError:
        return None
    return ready


def _work(settings: Settings, pipe: Connection, package_id: str | None) -> None:
    """The whole life of a worker. It serves the package of this id, whatever lies in the directory by now."""
    from shortlist.package import PackageError
    from shortlist_server.app import serve_one
    from shortlist_server.errors import StateError
    from shortlist_server.logs import configure_logs

    configure_logs(settings.log_level)

    async def work() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), stop.set)  # the parent never writes: readable means that it has gone

        def tell(ready: Ready) -> None:
            loop.add_signal_handler(signal.SIGTERM, stop.set)  # before, there is nothing to finish: it ends at once
            pipe.send(ready)

        await serve_one(settings, tell, stop=stop, shared_port=True, package_id=package_id)
        loop.remove_reader(pipe.fileno())

    try:
        asyncio.run(work())
    except PackageError as error:
        print(f"error: {error.at(settings.package)}", file=sys.stderr)
        sys.exit(2)
    except (StateError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
