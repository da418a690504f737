"""A gate for a resource that many threads use at once and that must now and then be changed while nobody uses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MapGate:
    """LMDB forbids changing the size of the map during a transaction of the same process; this keeps them apart.

    `shared` is for transactions, `exclusive` for changing the map: it lets nobody in and waits until all are out.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the map as it is."""
        with self._condition:
            while self._closed:
                self._condition.wait()
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                if self._closed and not self._inside:
                    self._condition.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Have the map alone. Must not be asked for by a thread that is inside `shared`."""
        with self._condition:
            while self._closed:
                self._condition.wait()
            self._closed = True
            while self._inside:
                self._condition.wait()
        try:
            yield
        finally:
            with self._condition:
                self._closed = False
                self._condition.notify_all()
