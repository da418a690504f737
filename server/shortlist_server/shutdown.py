"""How a process ends: at once before it serves, by draining once it does, and by force when work does not end.

Native code cannot be interrupted, only left behind; nothing acknowledged is lost by that, because what is acknowledged
is durable.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import structlog

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h

log = structlog.get_logger(__name__)


def end_on_signals() -> None:
    """From now on SIGINT and SIGTERM end the process at once and quietly, with the exit code that a shell expects.

    For the time before anything is served: there is nothing to finish, and what is half built need not be torn down.
    Signals are the main thread's; in another one this does nothing.
    """
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)


def stop_on_signals(stopping: asyncio.Event) -> None:
    """From now on SIGTERM or SIGINT sets `stopping`, and SIGINT after that ends the process at once, with its exit
    code: who presses Ctrl-C again does not want to wait for what drains.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, _end)  # not the loop's: it must work while the loop waits for the last thread

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def end_now(number: int) -> NoReturn:
    """End the process without finishing anything, with the exit code of this signal."""
    os._exit(exit_code_of(number))


def exit_code_of(number: int) -> int:
    """What a shell makes of a process that this signal ended: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + number


def _end(number: int, frame: FrameType | None) -> None:
    end_now(number)


def close_within(close: Callable[[], None], timeout_s: float) -> None:
    """Run `close`; when it has not returned in time, end the process at once with EXIT_CODE."""
    failure: list[Exception] = []

    def run() -> None:
        try:
            close()
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that asked
            failure.append(error)

    closing = threading.Thread(target=run, name="close", daemon=True)
    closing.start()
    closing.join(timeout_s)
    if closing.is_alive():
        log.error("work does not end, leaving it", waited_s=timeout_s)
        os._exit(EXIT_CODE)
    if failure:
        raise failure[0]
