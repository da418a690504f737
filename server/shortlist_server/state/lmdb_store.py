"""The embedded store: LMDB, one environment for the processes of a machine, durable at every commit.

Two databases: `events` (the log) and `profiles` (one record a user, derived in the same transaction as its events).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import lmdb
import numpy as np
import structlog

from shortlist_server.errors import StateError
from shortlist_server.state import records
from shortlist_server.state.map_gate import MapGate
from shortlist_server.state.profiles import Entry, merge_entries
from shortlist_server.state.records import EventRecord
from shortlist_server.state.store import EventBatch, Profile

T = TypeVar("T")
# Address space, not disk: the file is only as long as what is in it. Large enough for millions of events, so that few
# stores ever grow it, which makes every transaction wait.
_FIRST_MAP_BYTES: Final = 1 << 30
# Read transactions open at once, in all processes: 256 workers, the most there may be, with a few each.
_MAX_READERS: Final = 1024

log = structlog.get_logger(__name__)


class LmdbStore:
    """A `Store` in a directory, which is made if need be. Any number of threads may share one store and any number of
    processes may open the directory, but one process only once, and never across a fork.

    The map starts at `map_bytes` and doubles when it is full; only the disk limits it. Raises StateError.
    """

    def __init__(self, path: Path, *, max_profile_items: int = 10_000, map_bytes: int = _FIRST_MAP_BYTES) -> None:
        self._path = path
        self._max_profile_items = max_profile_items
        self._gate = MapGate()
        self._num_resizes = 0
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._env = lmdb.open(str(path), map_size=map_bytes, max_dbs=2, max_readers=_MAX_READERS, mode=0o640)
            is_short = self._fill_up()
            self._events = self._env.open_db(b"events")
            self._profiles = self._env.open_db(b"profiles")
            self._env.reader_check()
            _sync_directory(path)
        except (OSError, lmdb.Error) as error:
            raise StateError(f"{path}: {error}") from error
        if is_short:
            self._read_all()

    def append(self, batch: EventBatch) -> int:
        """See `Store.append`."""
        return self.append_all([batch])[0]

    def append_all(self, batches: Sequence[EventBatch]) -> list[int]:
        """See `Store.append_all`."""

        def write() -> list[int]:
            with self._env.begin(write=True) as transaction:
                return [self._write(transaction, batch) for batch in batches]

        return self._in_map(write)

    def profiles(self, user_ids: Sequence[str]) -> list[Profile]:
        """See `Store.profiles`."""
        keys = [user_id.encode() for user_id in user_ids]

        def read() -> list[bytes | None]:
            with self._env.begin(db=self._profiles) as transaction:
                # LMDB has no empty key, and no user has an empty id.
                return [transaction.get(key) if key else None for key in keys]

        return [records.read_profile(record) for record in self._in_map(read)]

    def count_events(self) -> int:
        """See `Store.count_events`."""

        def read() -> int:
            with self._env.begin() as transaction:
                return transaction.stat(self._events)["entries"]

        return self._in_map(read)

    def export(self, user_id: str | None = None, batch_size: int = 10_000) -> Iterator[EventBatch]:
        """See `Store.export`. Each batch has its own transaction: a slow reader never keeps old pages alive."""
        prefix = b"" if user_id is None else records.user_prefix(user_id.encode())
        after: bytes | None = None
        while True:
            found = self._in_map(partial(self._read_events, prefix, after, batch_size))
            if not found:
                return
            after = found[-1][0]
            ordered = sorted((record for _, record in found), key=lambda record: (record.moment, record.arrival))
            yield _to_batch(ordered)

    def close(self) -> None:
        """See `Store.close`."""
        with self._gate.exclusive():
            self._env.close()

    def _fill_up(self) -> bool:
        """Give the file the length of the database in it, with zeros; says whether it was shorter.

        Reading a page beyond the end of a file kills the process. A sound file may lack pages at its end, but none
        that is in use; a truncated one lacks some that are.
        """
        num_bytes = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        with (self._path / "data.mdb").open("r+b") as file:
            is_short = os.fstat(file.fileno()).st_size < num_bytes
            if is_short:
                os.posix_fallocate(file.fileno(), 0, num_bytes)  # never shortens what another process has lengthened
        return is_short

    def _read_all(self) -> None:
        """Meet every page in use. Raises StateError when one is damaged; then the store is closed."""
        try:
            for _ in self.export():
                pass

            def read() -> None:
                with self._env.begin(db=self._profiles) as transaction, transaction.cursor() as cursor:
                    for _, record in cursor:
                        records.read_profile(record)

            self._in_map(read)
        except StateError as error:
            self.close()
            raise StateError(f"{self._path}: data.mdb is cut short and lacks pages in use: {error}") from error

    def _write(self, transaction: lmdb.Transaction[bytes], batch: EventBatch) -> int:
        events_of: defaultdict[str, list[Entry]] = defaultdict(list)
        numbers = (batch.timestamps.tolist(), batch.types.tolist(), batch.values.tolist())
        for user_id, item_id, *of_event in zip(batch.user_ids, batch.item_ids, *numbers, strict=True):
            events_of[user_id].append(Entry(item_id.encode(), *of_event))
        num_new = 0
        for user_id, events in events_of.items():
            user = user_id.encode()
            record = transaction.get(user, db=self._profiles)
            arrival = records.num_arrivals(record)
            new: list[Entry] = []
            for event in events:
                stored = records.event_value(event, arrival + len(new))
                if transaction.put(records.event_key(user, event), stored, overwrite=False, db=self._events):
                    new.append(event)
            if new:
                entries = merge_entries(records.read_entries(record), new, self._max_profile_items)
                transaction.put(user, records.pack_profile(entries, arrival + len(new)), db=self._profiles)
            num_new += len(new)
        return num_new

    def _read_events(self, prefix: bytes, after: bytes | None, batch_size: int) -> list[tuple[bytes, EventRecord]]:
        """Events in key order, cut between two moments so that each moment is in one batch."""
        found: list[tuple[bytes, EventRecord]] = []
        with self._env.begin(db=self._events) as transaction, transaction.cursor() as cursor:
            if not (cursor.set_range(after or prefix) if after or prefix else cursor.first()):
                return found
            for key, stored in cursor:
                if key == after:
                    continue
                record = records.event_record(key, stored)
                full = len(found) >= batch_size and record.moment != found[-1][1].moment
                if full or not key.startswith(prefix):
                    break
                found.append((key, record))
        return found

    def _in_map(self, work: Callable[[], T]) -> T:
        """Run a whole transaction, again with a larger map when it was too small. Nothing of a failed one remains."""
        while True:
            try:
                with self._gate.shared():
                    num_resizes = self._num_resizes
                    return work()
            except lmdb.MapFullError:
                self._resize(num_resizes, grow=True)
            except lmdb.MapResizedError:  # by another process
                self._resize(num_resizes, grow=False)
            except lmdb.Error as error:
                raise self._failed(error) from error

    def _resize(self, num_resizes: int, *, grow: bool) -> None:
        """Double the map, or adopt the size that another process gave it, unless a thread did so since."""
        with self._gate.exclusive():
            if self._num_resizes != num_resizes:
                return
            try:
                self._env.set_mapsize(2 * self._env.info()["map_size"] if grow else 0)
            except lmdb.Error as error:
                raise self._failed(error) from error
            self._num_resizes += 1

    def _failed(self, error: lmdb.Error) -> StateError:
        """What to raise. The path is for the log: remote callers read the message of the error."""
        log.error("the event store failed", path=str(self._path), error=str(error))
        return StateError(f"the event store failed: {error}")


def _to_batch(ordered: Sequence[EventRecord]) -> EventBatch:
    return EventBatch(
        [record.user.decode() for record in ordered],
        [record.item.decode() for record in ordered],
        np.array([record.type for record in ordered], dtype=np.uint8),
        np.array([record.timestamp for record in ordered], dtype=np.int64),
        np.array([record.value for record in ordered], dtype=np.float32),
    )


def _sync_directory(path: Path) -> None:
    """Make the names of new files durable; LMDB syncs what is in them."""
    for directory in (path, path.parent):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
