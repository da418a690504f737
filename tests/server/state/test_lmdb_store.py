"""What only the embedded store can go through: kills, full disks, several processes, a growing map."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import lmdb
import numpy as np
import pytest

from shortlist_server.errors import DamagedRecordError, StateError
from shortlist_server.state import EventBatch
from shortlist_server.state.lmdb_store import LmdbStore

PRELUDE = """
import sys
from pathlib import Path
import numpy as np
from shortlist_server.errors import StateError
from shortlist_server.logs import configure_logs
from shortlist_server.state import EventBatch
from shortlist_server.state.lmdb_store import LmdbStore

configure_logs("error")  # to standard error: what these scripts print is their result

def batch(user, numbers):
    numbers = list(numbers)
    count = len(numbers)
    return EventBatch([user] * count, [f"i{number}" for number in numbers], np.full(count, 1, np.uint8),
                      np.array(numbers, np.int64), np.zeros(count, np.float32))

store = LmdbStore(Path(sys.argv[1]), map_bytes=1 << 16)
"""


def batch(user: str, numbers: Iterable[int]) -> EventBatch:
    timestamps = np.array(list(numbers), dtype=np.int64)
    count = len(timestamps)
    items = [f"i{number}" for number in timestamps]
    return EventBatch([user] * count, items, np.full(count, 1, np.uint8), timestamps, np.zeros(count, np.float32))


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRELUDE + script, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


APPEND_FOREVER = """
number = int(sys.argv[2])
while True:
    store.append(batch("u", range(number, number + 100)))
    number += 100
    print(number, flush=True)
"""


def test_every_acknowledged_event_survives_kills_at_random_moments(tmp_path: Path) -> None:
    moments = random.Random(11)
    first = 0
    for _ in range(6):
        process = start(APPEND_FOREVER, str(tmp_path), str(first))
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(moments.randrange(1, 50))]
        process.kill()
        acknowledged += [int(line) for line in process.communicate()[0].splitlines()]
        store = LmdbStore(tmp_path)
        recorded = [timestamp for part in store.export("u") for timestamp in part.timestamps.tolist()]
        profile = store.profiles(["u"])[0]
        store.close()
        assert recorded == list(range(len(recorded)))
        assert len(recorded) >= acknowledged[-1]
        assert len(recorded) % 100 == 0
        assert profile.timestamps.tolist() == recorded[-10_000:]
        first = len(recorded)


FILL_THE_DISK = """
import resource
before = store.count_events(), store.append(batch("u", range(10)))
size = (Path(sys.argv[1]) / "data.mdb").stat().st_size
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
try:
    store.append(batch("v", range(20000)))
    print("acknowledged")
except StateError as error:
    print("refused", "\\n" not in str(error))
print(store.count_events(), store.profiles(["v"])[0].empty)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
print(store.append(batch("v", range(20000))), store.count_events())
"""


def test_a_full_disk_refuses_the_batch_and_records_none_of_it(tmp_path: Path) -> None:
    output = start(FILL_THE_DISK, str(tmp_path)).communicate()[0]
    assert output.splitlines() == ["refused True", "10 True", "20000 20010"]


APPEND_WHEN_TOLD = """
for line in sys.stdin:
    user, count = line.split()
    print(store.append(batch(user, range(int(count)))), flush=True)
"""


def test_processes_see_each_other_and_follow_the_map_as_it_grows(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, map_bytes=1 << 16)
    process = start(APPEND_WHEN_TOLD, str(tmp_path))
    assert process.stdin is not None
    assert process.stdout is not None
    print("theirs 5000", file=process.stdin, flush=True)
    assert process.stdout.readline() == "5000\n"
    assert len(store.profiles(["theirs"])[0].item_ids) == 5000
    assert store.append(batch("ours", range(20_000))) == 20_000
    print("theirs 5001", file=process.stdin, flush=True)
    assert process.stdout.readline() == "1\n"
    assert store.count_events() == 25_001
    process.communicate()
    store.close()


def test_a_map_too_small_for_one_batch_grows_until_it_fits(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, map_bytes=1 << 16)
    assert store.append(batch("u", range(30_000))) == 30_000
    assert len(store.profiles(["u"])[0].item_ids) == 10_000
    store.close()


def test_a_directory_that_cannot_be_one_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file"):
        LmdbStore(tmp_path / "file")


def test_a_file_that_is_no_database_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(StateError, match=str(tmp_path)):
        LmdbStore(tmp_path)


def test_a_file_cut_short_is_a_state_error_and_no_crash(tmp_path: Path) -> None:
    start('store.append(batch("u", range(20_000)))', str(tmp_path)).communicate()
    file = tmp_path / "data.mdb"
    os.truncate(file, file.stat().st_size // 2)
    process = start("", str(tmp_path))
    assert process.stderr is not None
    refusal = process.stderr.read().splitlines()[-1]
    process.communicate()
    assert process.returncode == 1
    assert refusal.startswith(f"shortlist_server.errors.StateError: {tmp_path}: ")


def test_a_file_that_lacks_only_unused_pages_is_sound(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    store.append(batch("u", range(100)))
    store.close()
    with lmdb.open(str(tmp_path), max_dbs=2) as environment:
        events = environment.open_db(b"events")
        with environment.begin(write=True) as transaction:
            transaction.put(b"long", b"x" * 2**20, db=events)
        with environment.begin(write=True) as transaction:
            transaction.delete(b"long", db=events)
    store = LmdbStore(tmp_path)
    for number in range(100, 104):  # moves what is in use to the pages that became free
        store.append(batch("u", [number]))
    store.close()
    file = tmp_path / "data.mdb"
    size = file.stat().st_size
    os.truncate(file, size - 2**19)
    store = LmdbStore(tmp_path)
    assert file.stat().st_size == size
    assert store.count_events() == 104
    assert store.append(batch("u", range(1000))) == 896
    store.close()


# Cut short, of impossibly many entries, and of a version that no server ever wrote.
@pytest.mark.parametrize("record", [b"\x02", b"\x02\0\0\0\xff\xff\xff\x7f" + bytes(8), b"\xff" + bytes(40)])
def test_a_damaged_profile_costs_its_user_only(tmp_path: Path, record: bytes) -> None:
    store = LmdbStore(tmp_path)
    store.append(batch("well", range(3)))
    store.close()
    with lmdb.open(str(tmp_path), max_dbs=2) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"ill", record, db=environment.open_db(b"profiles", txn=transaction))
    store = LmdbStore(tmp_path)
    for refused in (lambda: store.profiles(["ill"]), lambda: store.append(batch("ill", range(3)))):
        with pytest.raises(DamagedRecordError, match="profile record"):
            refused()
    assert len(store.profiles(["well"])[0].item_ids) == 3
    assert store.count_events() == 3
    store.close()


def test_a_failing_store_is_not_a_damaged_record_and_its_path_is_for_the_log_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LmdbStore(tmp_path)
    store.close()
    for refused in (lambda: store.profiles(["u"]), lambda: store.append(batch("u", range(3))), store.count_events):
        with pytest.raises(StateError, match="the event store failed") as failure:
            refused()
        assert not isinstance(failure.value, DamagedRecordError)
        assert str(tmp_path) not in str(failure.value)
        assert str(tmp_path) in "".join(capsys.readouterr())
