"""Reading events files: what counts as an event, what is set aside, what stops the reading."""

import csv
import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist import Event
from shortlist.encode import EVENT_TYPES
from shortlist.events_file import EventsFile, find_events_file

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
HEADER = b"user_id,item_id,timestamp\n"


@pytest.fixture
def rejects(tmp_path: Path) -> Path:
    return tmp_path / "rejects.csv"


def write(tmp_path: Path, content: bytes, name: str = "events.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def read(path: Path, rejects: Path, batch_size: int = 10_000) -> list[Event]:
    return [event for batch in EventsFile(path, rejects, batch_size=batch_size) for event in batch]


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def purchase(user_id: str, item_id: str, timestamp: int) -> Event:
    return Event(user_id=user_id, item_id=item_id, type="purchase", timestamp=timestamp)


def test_rows_become_events_and_other_columns_are_ignored(tmp_path: Path, rejects: Path) -> None:
    path = write(
        tmp_path,
        b"country,type,timestamp,item_id,value,user_id\n"
        b"United Kingdom,view,1291191960,21730,,17850\n"
        b'"Ireland, Republic of",rating,0,"a ""b"", c",4.5,\xc3\xa4\n'
        b"France,,1,x,2,y\n",
    )
    assert read(path, rejects) == [
        Event(user_id="17850", item_id="21730", type="view", timestamp=1291191960),
        Event(user_id="ä", item_id='a "b", c', type="rating", timestamp=0, value=4.5),
        Event(user_id="y", item_id="x", type="purchase", timestamp=1, value=2),
    ]
    assert not rejects.exists()


def test_gzip_crlf_byte_order_mark_and_empty_lines_are_read(tmp_path: Path, rejects: Path) -> None:
    content = b"\xef\xbb\xbfuser_id,item_id,timestamp\r\nu,a,1\r\n\r\nu,b,2"
    path = write(tmp_path, gzip.compress(content), "events.csv.gz")
    assert read(path, rejects) == [purchase("u", "a", 1), purchase("u", "b", 2)]


def test_events_come_in_batches(tmp_path: Path, rejects: Path) -> None:
    path = write(tmp_path, HEADER + b"".join(b"u,i,%d\n" % second for second in range(7)))
    file = EventsFile(path, rejects, batch_size=3)
    assert [[event.timestamp for event in batch] for batch in file] == [[0, 1, 2], [3, 4, 5], [6]]
    assert file.num_events == 7


def test_iso_times_are_utc_unless_they_name_an_offset(tmp_path: Path, rejects: Path) -> None:
    times = [
        b"2011-10-31",
        b"2011-10-31T12:00:00",
        b"2011-10-31T12:00:00.9+02:00",
        b"2011-10-31 12:00:00Z",
        b"1969-12-31",
    ]
    content = HEADER + b"".join(b"u,i,%b\n" % time for time in times)
    file = EventsFile(write(tmp_path, content), rejects)
    found = [event.timestamp for batch in file for event in batch]
    assert found == [1320019200, 1320062400, 1320055200, 1320062400]
    assert file.num_rejected == 1


def test_the_default_type_is_the_callers_choice(tmp_path: Path, rejects: Path) -> None:
    file = EventsFile(write(tmp_path, HEADER + b"u,i,1\n"), rejects, default_type="view")
    assert [event.type for batch in file for event in batch] == ["view"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"u,i", "2 fields instead of 5"),
        (b"u,i,1,view,1,more", "6 fields instead of 5"),
        (b",i,1,view,1", "user_id: 0 bytes are not in 1..128"),
        (b"u," + b"\xc3\xa4" * 65 + b",1,view,1", "item_id: 130 bytes are not in 1..128"),
        (b"u,i,yesterday,view,1", "timestamp: 'yesterday' is neither seconds in 0..253402300799 nor an ISO 8601 time"),
        (b"u,i,-1,view,1", "timestamp: '-1' is neither seconds in 0..253402300799 nor an ISO 8601 time"),
        (b"u,i,1.5,view,1", "timestamp: '1.5' is neither seconds in 0..253402300799 nor an ISO 8601 time"),
        (
            b"u,i,253402300800,view,1",
            "timestamp: '253402300800' is neither seconds in 0..253402300799 nor an ISO 8601 time",
        ),
        (
            b"u,i," + b"9" * 5000 + b",view,1",
            f"timestamp: '{'9' * 50}...' is neither seconds in 0..253402300799 nor an ISO 8601 time",
        ),
        ("u,i,٣,view,1".encode(), "timestamp: '٣' is neither seconds in 0..253402300799 nor an ISO 8601 time"),
        (b"u,i,,view,1", "timestamp: '' is neither seconds in 0..253402300799 nor an ISO 8601 time"),
        (b"u,i,1,VIEW,1", "type: 'VIEW' is not one of view, click, cart, purchase, like, dislike, rating"),
        (b"u,i,1,view,nan", "value: 'nan' is not a finite number"),
        (b"u,i,1,view,1e39", "value: '1e39' is not a finite number"),
        (b"u,i,1,view,much", "value: 'much' is not a finite number"),
        (b'u,"i,1,view,1', "unexpected end of data"),
        (b'u,"i"x,1,view,1', "',' expected after '\"'"),
        (b"\xff,i,1,view,1", "not UTF-8"),
    ],
)
def test_a_wrong_row_is_set_aside_and_its_neighbours_are_kept(
    tmp_path: Path, rejects: Path, line: bytes, reason: str
) -> None:
    header = b"user_id,item_id,timestamp,type,value\n"
    path = write(tmp_path, header + b"u,a,1,view,\n" + line + b"\nu,b,2,view,\n")
    file = EventsFile(path, rejects)
    assert [event.item_id for batch in file for event in batch] == ["a", "b"]
    assert (file.num_events, file.num_rejected) == (2, 1)
    text = line.decode("utf-8", "backslashreplace")
    assert rows(rejects) == [["line", "reason", "text"], ["3", reason, text]]


@pytest.mark.parametrize("num_bytes", [2**20, 2**20 + 1, 3 * 2**20])
def test_a_huge_line_is_one_row_whatever_stands_in_it(tmp_path: Path, rejects: Path, num_bytes: int) -> None:
    tail = b"u,inside,1"  # a whole event where a reader that splits long lines would begin anew
    huge = tail.rjust(num_bytes, b"x")
    path = write(tmp_path, HEADER + b"u,a,1\n" + huge + b"\n" + b"x" * 2**20 + tail + b"\nu,b,2\nu,c,never\n")
    assert read(path, rejects) == [purchase("u", "a", 1), purchase("u", "b", 2)]
    rejected = rejects.read_text("utf-8").splitlines()  # too long for the csv module
    assert [line.partition(",")[0] for line in rejected] == ["line", "3", "4", "6"]


def test_reading_again_starts_the_rejects_anew(tmp_path: Path, rejects: Path) -> None:
    path = write(tmp_path, HEADER + b"u,i,x\n")
    file = EventsFile(path, rejects)
    assert [list(file), list(file)] == [[], []]
    assert file.num_rejected == 1
    assert len(rows(rejects)) == 2
    path.write_bytes(HEADER + b"u,i,1\n")
    assert len(list(file)) == 1
    assert (file.num_events, file.num_rejected, rejects.exists()) == (1, 0, False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.csv", b"", "it is empty, without the line that names the columns"),
        ("events.csv", b"user_id,item\n1,2\n", "column item_id, timestamp is missing in the first line"),
        ("events.csv", b"\x00\xff\xfe\n", "column user_id, item_id, timestamp is missing in the first line"),
        ("events.csv", b'"user_id,item_id,timestamp\n', "the first line is not CSV: unexpected end of data"),
        ("events.csv.gz", HEADER, "damaged gzip"),
        ("events.csv.gz", gzip.compress(HEADER + b"u,i,1\n" * 1000)[:-9], "damaged gzip"),
        ("events.csv.gz", gzip.compress(HEADER)[:12] + b"\xff" * 20, "damaged gzip"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(
    tmp_path: Path, rejects: Path, name: str, content: bytes, message: str
) -> None:
    path = write(tmp_path, content, name)
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        read(path, rejects)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_rejects_are_complete_when_the_gzip_turns_out_damaged(tmp_path: Path, rejects: Path) -> None:
    damaged = gzip.compress(HEADER + b"u,i,x\n" + b"u,i,1\n" * 1000)[:-8]
    with pytest.raises(ValueError, match="damaged gzip"):
        read(write(tmp_path, damaged, "events.csv.gz"), rejects)
    assert rows(rejects)[1:] == [
        ["2", "timestamp: 'x' is neither seconds in 0..253402300799 nor an ISO 8601 time", "u,i,x"]
    ]


def test_a_missing_file_is_named(tmp_path: Path, rejects: Path) -> None:
    with pytest.raises(ValueError, match=r"events\.csv: No such file or directory$"):
        read(tmp_path / "events.csv", rejects)


def test_rejects_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + b"u,i,x\n")
    with pytest.raises(ValueError, match=r"missing/rejects\.csv: No such file or directory$"):
        read(path, tmp_path / "missing" / "rejects.csv")
    with pytest.raises(ValueError, match=f"^{tmp_path}: "):
        read(path, tmp_path)


def test_the_events_are_never_replaced_by_their_rejects(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + b"u,i,x\n")
    with pytest.raises(ValueError, match=r"events\.csv: the rejects would replace the events$"):
        read(path, tmp_path / ".." / tmp_path.name / "events.csv")
    assert path.read_bytes() == HEADER + b"u,i,x\n"


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_the_events_file_of_a_directory_is_found(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, HEADER, name)
    write(tmp_path, b"", "items.csv")
    assert find_events_file(tmp_path) == path


def test_no_or_two_events_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"neither events\.csv nor events\.csv\.gz"):
        find_events_file(tmp_path)
    for name in ("events.csv", "events.csv.gz"):
        write(tmp_path, HEADER, name)
    with pytest.raises(ValueError, match=r"both events\.csv and events\.csv\.gz"):
        find_events_file(tmp_path)


def test_arguments_are_checked(tmp_path: Path, rejects: Path) -> None:
    with pytest.raises(ValueError, match="batch_size: 0 is not at least 1"):
        EventsFile(tmp_path, rejects, batch_size=0)
    with pytest.raises(ValueError, match="default_type: 'buy' is not one of"):
        EventsFile(tmp_path, rejects, default_type="buy")


IDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=32)
EVENTS = st.builds(
    Event,
    user_id=IDS,
    item_id=IDS,
    type=st.sampled_from(list(EVENT_TYPES)),
    timestamp=st.integers(0, 253402300799),
    value=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(st.lists(EVENTS))
def test_what_the_csv_module_writes_is_read_back(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path, rejects = Path(directory, "events.csv"), Path(directory, "rejects.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["user_id", "item_id", "timestamp", "type", "value"])
            for event in events:
                writer.writerow([event.user_id, event.item_id, event.timestamp, event.type, event.value])
        assert read(path, rejects, batch_size=7) == events


@given(st.binary() | st.text(alphabet='u,"\r\n1i\0').map(str.encode))
def test_every_line_is_an_event_or_rejected(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path, rejects = Path(directory, "events.csv"), Path(directory, "rejects.csv")
        path.write_bytes(HEADER + content)
        file = EventsFile(path, rejects)
        assert sum(len(batch) for batch in file) == file.num_events
        num_lines = sum(1 for line in content.split(b"\n") if line.rstrip(b"\r"))
        assert file.num_events + file.num_rejected == num_lines
        num_rejects = len(rows(rejects)) - 1 if rejects.exists() else 0
        assert num_rejects == file.num_rejected


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="needs ../shared/data")
def test_online_retail_is_read_whole(rejects: Path) -> None:
    file = EventsFile(SHARED_DATA / "online-retail" / "events.csv.gz", rejects)
    assert sum(len(batch) for batch in file) == 308_004
    assert file.num_rejected == 0
