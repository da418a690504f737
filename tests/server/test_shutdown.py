"""Work that never ends does not keep a process alive."""

import subprocess
import sys

import pytest

from shortlist_server.shutdown import EXIT_CODE, close_within

STUCK = """
import asyncio
import threading
from shortlist_server.batching.batcher import Batcher
from shortlist_server.shutdown import close_within

batcher, entered = Batcher(), threading.Event()

def run(tasks):
    entered.set()
    threading.Event().wait()

async def main():
    asyncio.create_task(batcher.queue("stuck", run).submit("one"))
    await asyncio.to_thread(entered.wait)
    close_within(batcher.close, 0.2)
    print("unreachable")

asyncio.run(main())
"""


def test_a_worker_that_never_returns_is_left_behind() -> None:
    finished = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == EXIT_CODE
    assert "unreachable" not in finished.stdout
    assert "work does not end" in finished.stdout + finished.stderr


def test_what_goes_wrong_while_closing_is_raised() -> None:
    def close() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        close_within(close, 10.0)


def test_nothing_happens_when_closing_ends_in_time() -> None:
    closed: list[bool] = []
    close_within(lambda: closed.append(True), 10.0)
    assert closed == [True]
