"""`--workers N`: N server processes on one port, watched by this one.

The kernel spreads connections over the processes; each maps the same package and opens the same store. A worker that
dies is replaced; one whose parent has gone drains and ends.
"""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog

from shortlist_server.config import Settings

log = structlog.get_logger(__name__)


def supervise(settings: Settings, ready: Callable[[str], None]) -> None:
    """Run the workers until SIGTERM or SIGINT; `ready` is called once all of them serve."""
    with _reserved_port(settings) as reserved:
        settings = dataclasses.replace(settings, port=reserved.getsockname()[1])
        supervisor = _Supervisor(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, supervisor.stop)
        supervisor.run(ready)


class _Supervisor:
    """Keeps `settings.workers` processes alive."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, tuple[SpawnProcess, Connection]] = {}
        self._stopping = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Ask every worker to drain, as a signal handler."""
        self._stopping = True
        for process, _ in self._workers.values():
            process.terminate()

    def run(self, ready: Callable[[str], None]) -> None:
        """Start one, then the others: a fault that each would meet is told once, by the first. Then watch them."""
        lines = [_first_line(self._start())]
        if lines[0] and not self._stopping:
            pipes = [self._start() for _ in range(self._settings.workers - 1)]
            lines += [_first_line(pipe) for pipe in pipes]
        if not self._stopping and all(lines):
            ready(lines[0])
            self._watch()
        self.stop(signal.SIGTERM, None)
        for process, pipe in self._workers.values():
            process.join()
            pipe.close()
        if not all(lines):
            sys.exit(2)

    def _start(self) -> Connection:
        pipe, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self._settings, theirs), name="worker")
        process.start()
        theirs.close()
        self._workers[process.sentinel] = (process, pipe)
        return pipe

    def _watch(self) -> None:
        while not self._stopping:
            for sentinel in wait(list(self._workers), timeout=1.0):
                assert isinstance(sentinel, int)
                process, pipe = self._workers.pop(sentinel)
                pipe.close()
                if not self._stopping:
                    log.error("a worker died, starting another", exit_code=process.exitcode)
                    self._start()


def _first_line(pipe: Connection) -> str:
    try:
        line: str = pipe.recv()
    except EOFError:  # it ended before it served, and said why on standard error
        return ""
    return line


def _work(settings: Settings, pipe: Connection) -> None:
    """The whole life of a worker."""
    from shortlist_server.app import serve_one
    from shortlist_server.errors import PackageError, StateError
    from shortlist_server.logs import configure_logs

    configure_logs(settings.log_level)

    async def work() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), stop.set)  # the parent never writes: readable means that it has gone
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve_one(settings, pipe.send, stop=stop, shared_port=True)
        loop.remove_reader(pipe.fileno())

    try:
        asyncio.run(work())
    except (PackageError, StateError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _reserved_port(settings: Settings) -> socket.socket:
    """A socket that holds the port for the workers without listening on it. Ends the process when it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        reserved.close()
        sys.exit(f"error: cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    return reserved
