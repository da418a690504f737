"""A signal while the server is still starting: it ends quietly, with the exit code of that signal."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import lmdb
import pytest

from shortlist_server.app import serve_one
from shortlist_server.config import Settings
from shortlist_server.listen import Ready
from tests.processes import start_process

TIMEOUT_S = 60
SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@contextmanager
def serving(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`shortlist serve` in its own process group; nothing of it is left behind."""
    process = start_process([sys.executable, "-m", "shortlist_server", *arguments], start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def held_store(state: Path) -> Iterator[None]:
    """No other process gets past the opening of this store: that needs the writer's lock, which is taken here."""
    state.mkdir()
    with lmdb.open(str(state), map_size=1 << 30, max_dbs=2) as store, store.begin(write=True):
        yield


def wait_until(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    while not happened():
        assert process.poll() is None, process.communicate()


def has_opened(pid: int, file: Path) -> bool:
    return str(file) in Path(f"/proc/{pid}/maps").read_text()


def open_writer(pipe: Path, writers: list[int]) -> bool:
    """Whether a process reads the pipe; it then waits for what the writer says, until that is closed."""
    with suppress(OSError):  # nobody reads it yet
        writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    return bool(writers)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@SIGNALS
def test_while_the_settings_are_read(number: signal.Signals, code: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "server.toml")
    with serving("--config", tmp_path / "server.toml") as process:
        writers: list[int] = []
        wait_until(process, lambda: open_writer(tmp_path / "server.toml", writers))
        process.send_signal(number)
        assert process.communicate(timeout=TIMEOUT_S) == ("", "")
        os.close(writers[0])
        assert process.returncode == code


@SIGNALS
def test_while_the_app_is_built(number: signal.Signals, code: int, package_dir: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with serving("--package", package_dir, "--state", state, "--port", "0") as process:
        with held_store(state):
            wait_until(process, lambda: has_opened(process.pid, state / "data.mdb"))
            process.send_signal(number)
        assert process.communicate(timeout=TIMEOUT_S) == ("", "")
        assert process.returncode == code


@SIGNALS
def test_while_a_worker_starts(number: signal.Signals, code: int, package_dir: Path) -> None:
    with serving("--package", package_dir, "--port", "0", "--workers", "2") as process:
        wait_until(process, lambda: bool(workers_of(process)))
        os.killpg(process.pid, number)  # as a terminal does
        assert process.communicate(timeout=TIMEOUT_S) == ("", "")
        assert process.returncode == code


@SIGNALS
def test_while_a_worker_builds_the_app(number: signal.Signals, code: int, package_dir: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with serving("--package", package_dir, "--state", state, "--port", "0", "--workers", "2") as process:
        with held_store(state):
            wait_until(process, lambda: any(has_opened(pid, state / "data.mdb") for pid in workers_of(process)))
            os.killpg(process.pid, number)
            assert process.communicate(timeout=TIMEOUT_S) == ("", "")
        assert process.returncode == code


def test_a_fault_after_the_port_is_open_stops_the_server(package_dir: Path, tmp_path: Path) -> None:
    told: list[Ready] = []

    def fail(ready: Ready) -> None:
        told.append(ready)
        raise LookupError("nobody to tell")

    settings = Settings(package=package_dir, state=tmp_path / "state", port=0)
    with pytest.raises(LookupError, match="nobody to tell"):
        asyncio.run(serve_one(settings, fail, stop=asyncio.Event()))
    gc.collect()  # a server that was not stopped complains when it is collected, and warnings are errors
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(told[0].address.rpartition(":")[2])))
