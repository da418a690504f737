"""The rejected rows: one format, no other file lost for it, memory that does not grow."""

import csv
from pathlib import Path

import pytest

from shortlist.events import DataError, Reject, Rejects, rejects
from shortlist.events.rejects import prepare

HEADER = "file,line,reason,content"


def three() -> Rejects:
    found = Rejects()
    found.add("events.csv", {7: ("bad", "b"), 3: ("bad", 'a,"\n'), 5: ("worse", "é")})
    return found


def test_rows_come_in_the_order_of_their_lines() -> None:
    found = three()
    assert found.rows == [
        Reject("events.csv", 3, "bad", 'a,"\n'),
        Reject("events.csv", 5, "worse", "é"),
        Reject("events.csv", 7, "bad", "b"),
    ]
    found.add("items.csv", {2: ("bad", "")})
    assert found.rows[3] == Reject("items.csv", 2, "bad", "")
    assert len(found) == 4


def test_they_are_counted_by_reason_with_their_first_lines() -> None:
    found = three()
    found.add("events.csv", dict.fromkeys(range(10, 20), ("bad", "")))
    assert found.by_reason() == [
        ("events.csv", "bad", 12, [3, 7, 10, 11, 12]),
        ("events.csv", "worse", 1, [5]),
    ]


def test_they_are_written_as_csv_into_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rejects.csv"
    for _ in range(2):  # an older rejects file is replaced
        three().write(path)
        with path.open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file)) == [
                HEADER.split(","),
                ["events.csv", "3", "bad", 'a,"\n'],
                ["events.csv", "5", "worse", "é"],
                ["events.csv", "7", "bad", "b"],
            ]


def test_many_wait_in_a_file_and_are_still_counted_and_written(tmp_path: Path) -> None:
    found = Rejects()
    for line in range(0, 30_000, 10):
        found.add("events.csv", {line + n: ("bad", "x" * 2000) for n in range(10)})
    assert len(found) == 30_000
    found.write(tmp_path / "rejects.csv")
    assert (tmp_path / "rejects.csv").stat().st_size > 20 * rejects._MAX_MEMORY_BYTES
    assert [row.line for row in found.rows] == list(range(30_000))
    assert {len(row.content) for row in found.rows} == {1003}


@pytest.mark.parametrize("content", [b"user_id,item_id,timestamp\n", b"\xff\xfe", b"x" * 5000])
def test_no_other_file_is_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(content)
    for write in (prepare, three().write):
        with pytest.raises(DataError, match=r"events\.csv: exists and is no file of rejected rows"):
            write(path)
    assert path.read_bytes() == content


def test_an_older_rejects_file_is_removed_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    three().write(path)
    prepare(path)
    assert not path.exists()
    path.touch()
    prepare(path)
    assert not path.exists()


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "rejects.csv"):
        with pytest.raises(DataError, match=f"^{path}: cannot write the rejected rows there"):
            prepare(path)


def test_a_device_stays_what_it_is() -> None:
    three().write(Path("/dev/null"))
    assert Path("/dev/null").is_char_device()
