"""The end of a process that has not begun to serve, and of one whose work may not end: what is in native code cannot
be interrupted, only left behind.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

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


def exit_code_of(number: int) -> int:
    """What a shell makes of a process that this signal ended: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + number


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(exit_code_of(number))


def close_within(close: Callable[[], None], timeout_s: float) -> None:
    """Run `close`; when it has not returned in time, end the process at once with EXIT_CODE.

    Nothing acknowledged is lost by that: what is acknowledged is durable.
    """
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
