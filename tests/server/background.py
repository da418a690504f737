"""A server in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from shortlist_server.app import serve_one
from shortlist_server.config import Settings
from shortlist_server.listen import Ready


class Background:
    """A server in a thread of this process: a context manager that gives HOST:PORT.

    Raises on the way in what `build` raises; drains on the way out.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ready: Future[Ready] = Future()
        self._stop: Callable[[], object] = threading.Event().set
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return self._ready.result().address

    def __exit__(self, *exception: object) -> None:
        self._stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = partial(loop.call_soon_threadsafe, stop.set)
        await serve_one(self._settings, self._ready.set_result, stop=stop)
