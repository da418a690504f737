"""The end of a process whose work may not end: what is in native code cannot be interrupted, only left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import structlog

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h

log = structlog.get_logger(__name__)


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
