"""A lock that many readers may hold together, and one writer alone."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class ReadersWriterLock:
    """Readers do not wait for each other; a waiting writer goes before readers that come later.

    Not reentrant. A KeyboardInterrupt at any moment leaves it free: what an interruption can tear apart is done again
    until it is whole, which does no harm. The child of a fork starts with the lock free: no thread that held it lives
    there. What a writer had half done at that moment stays so in the child: fork before threads change things.
    """

    def __init__(self) -> None:
        self._start()
        _locks.add(self)

    def _start(self) -> None:
        # `with` takes and gives back a plain lock in one step; a Condition does so in Python, where it may be torn.
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._readers = set[object]()
        self._waiting_writers = set[object]()
        self._writer: object | None = None

    def reading(self) -> AbstractContextManager[None]:
        """Holds the lock beside other readers."""
        return self._holding(self._admit_reader)

    def writing(self) -> AbstractContextManager[None]:
        """Holds the lock alone."""
        return self._holding(self._admit_writer)

    @contextmanager
    def _holding(self, admit: Callable[[object], None]) -> Iterator[None]:
        holder, interruption = object(), None
        try:
            with self._mutex:
                admit(holder)
            yield
        finally:
            while True:
                try:
                    self._leave(holder)
                    break
                except KeyboardInterrupt as error:
                    interruption = error
            if interruption is not None:
                raise interruption

    def _admit_reader(self, reader: object) -> None:
        while self._writer is not None or self._waiting_writers:
            self._changed.wait()
        self._readers.add(reader)

    def _admit_writer(self, writer: object) -> None:
        self._waiting_writers.add(writer)
        while self._writer is not None or self._readers:
            self._changed.wait()
        self._writer = writer
        self._waiting_writers.discard(writer)

    def _leave(self, holder: object) -> None:
        """Frees what a reader or writer holds or waits for, if anything; may be called again."""
        with self._mutex:
            self._readers.discard(holder)
            self._waiting_writers.discard(holder)
            if self._writer is holder:
                self._writer = None
            self._changed.notify_all()


_locks: "weakref.WeakSet[ReadersWriterLock]" = weakref.WeakSet()


def _free_all() -> None:
    for lock in _locks:
        lock._start()


os.register_at_fork(after_in_child=_free_all)
