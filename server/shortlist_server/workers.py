"""`--workers N`: N server processes on one port, watched by this one.

The kernel spreads connections over the processes; each maps the same package and opens the same store. A worker that
dies is replaced; one whose parent has gone drains and ends.
"""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Final, NamedTuple

import structlog

from shortlist_server.config import Settings
from shortlist_server.ports import hold_port

SHORT_LIFE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 30.0

log = structlog.get_logger(__name__)


def supervise(settings: Settings, ready: Callable[[str], None]) -> None:
    """Run the workers until SIGTERM or SIGINT; `ready` is called once all of them serve.

    Raises OSError when the port cannot be had.
    """
    with hold_port(settings, shared=True) as reserved:
        settings = dataclasses.replace(settings, port=reserved.getsockname()[1])
        supervisor = _Supervisor(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, supervisor.stop)
        supervisor.run(ready)


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

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Ask every worker to drain, as a signal handler."""
        self._stopping = True
        for worker in self._workers.values():
            worker.process.terminate()

    def run(self, ready: Callable[[str], None]) -> None:
        """Start one, then the others: a fault that each would meet is told once, by the first. Then watch them."""
        lines = [_first_line(self._start())]
        if lines[0] and not self._stopping:
            self._package_id = lines[0].split()[1]
            pipes = [self._start() for _ in range(self._settings.workers - 1)]
            lines += [_first_line(pipe) for pipe in pipes]
        if not self._stopping and all(lines):
            ready(lines[0])
            self._watch()
        self.stop(signal.SIGTERM, None)
        for worker in self._workers.values():
            worker.process.join()
            worker.pipe.close()
        if not all(lines):
            sys.exit(2)

    def _start(self) -> Connection:
        pipe, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self._settings, theirs, self._package_id), name="worker")
        process.start()
        theirs.close()
        self._workers[process.sentinel] = _Worker(process, pipe, time.monotonic())
        return pipe

    def _watch(self) -> None:
        """Replace the dead: at once one that lived a while, later and later those that die as soon as they start."""
        pause_s, due_s = 0.0, list[float]()
        while not self._stopping:
            for sentinel in wait(list(self._workers), timeout=0.5):
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


def _first_line(pipe: Connection) -> str:
    try:
        line: str = pipe.recv()
    except EOFError:  # it ended before it served, and said why on standard error
        return ""
    return line


def _work(settings: Settings, pipe: Connection, package_id: str | None) -> None:
    """The whole life of a worker. It serves the package of this id, whatever lies in the directory by now."""
    from shortlist_server.app import serve_one
    from shortlist_server.errors import PackageError, StateError
    from shortlist_server.logs import configure_logs

    configure_logs(settings.log_level)

    async def work() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), stop.set)  # the parent never writes: readable means that it has gone
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve_one(settings, pipe.send, stop=stop, shared_port=True, package_id=package_id)
        loop.remove_reader(pipe.fileno())

    try:
        asyncio.run(work())
    except PackageError as error:
        print(f"error: {error.at(settings.package)}", file=sys.stderr)
        sys.exit(2)
    except (StateError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
