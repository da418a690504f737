"""A lock that many readers may hold together, and one writer alone."""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager


class ReadersWriterLock:
    """Readers do not wait for each other; a waiting writer goes before readers that come later.

    Not reentrant. The child of a fork starts with the lock free: no thread that held it lives there. What a writer had
    half done at that moment stays so in the child: fork before threads change things.
    """

    def __init__(self) -> None:
        self._start()
        _locks.add(self)

    def _start(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._num_readers = 0
        self._num_writers_waiting = 0
        self._is_writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Holds the lock beside other readers."""
        with self._changed:
            while self._is_writing or self._num_writers_waiting:
                self._changed.wait()
            self._num_readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._num_readers -= 1
                if self._num_readers == 0:
                    self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the lock alone."""
        with self._changed:
            self._num_writers_waiting += 1
            try:
                while self._is_writing or self._num_readers:
                    self._changed.wait()
                self._is_writing = True
            finally:
                self._num_writers_waiting -= 1
                self._changed.notify_all()  # readers wait for waiting writers, even for one that gave up
        try:
            yield
        finally:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()


_locks: "weakref.WeakSet[ReadersWriterLock]" = weakref.WeakSet()


def _free_all() -> None:
    for lock in _locks:
        lock._start()


os.register_at_fork(after_in_child=_free_all)
