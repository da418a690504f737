"""Reading events for the client: every row of the common table, and what the table cannot say."""

import csv
import gzip
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist import Event
from shortlist.events import DataError, Rejects, find_events, lines, read_batches, read_columns
from shortlist.vocabulary import EVENT_TYPES, MAX_TIMESTAMP
from tests import event_rows
from tests.event_rows import ROWS, Good, Row

SHARED_DATA = Path(__file__).parents[4] / "shared" / "data"
HEADER = b"user_id,item_id,timestamp\n"


def write(directory: Path, content: bytes, name: str = "events.csv") -> Path:
    (directory / name).write_bytes(content)
    return directory


def read(directory: Path, *, batch_size: int = 10_000, default_type: str | None = None) -> tuple[list[Event], Rejects]:
    rejects = Rejects()
    path, known = find_events(directory)
    batches = read_batches(path, known, rejects, batch_size=batch_size, default_type=default_type)
    return [event for batch in batches for event in batch], rejects


def event_of(good: Good) -> Event:
    """As the contract has it: an absent value is 0."""
    return Event(**{**good._asdict(), "value": good.value or 0.0})


def purchase(user_id: str, item_id: str, timestamp: int) -> Event:
    return Event(user_id=user_id, item_id=item_id, type="purchase", timestamp=timestamp)


def facts(rejects: Rejects) -> list[tuple[str, int, str, str]]:
    return [(row.file, row.line, row.reason, row.content) for row in rejects.rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(event_rows.shown(row.line))[:60])
def test_a_row_is_an_event_or_rejected_and_its_neighbours_are_kept(tmp_path: Path, row: Row) -> None:
    events, rejects = read(write(tmp_path, event_rows.file_of((row,))))
    assert events == [event_of(good) for good in event_rows.events_of((row,))]
    assert facts(rejects) == event_rows.rejects_of((row,))


def test_all_rows_together_are_what_each_is_alone(tmp_path: Path) -> None:
    events, rejects = read(write(tmp_path, event_rows.file_of(ROWS)))
    assert events == [event_of(good) for good in event_rows.events_of(ROWS)]
    assert facts(rejects) == event_rows.rejects_of(ROWS)


def test_a_stray_quote_costs_its_own_row_only(tmp_path: Path) -> None:
    good = [b"u,i,%d" % second for second in range(1000)]
    content = b"\n".join([b"user_id,item_id,timestamp", good[0], b'u,"i,1', *good[1:], b'u,i",1', b'"u,i,1'])
    events, rejects = read(write(tmp_path, content))
    assert [event.timestamp for event in events] == [*range(1000), 1]
    assert [(row.line, row.reason) for row in rejects.rows] == [
        (3, event_rows.OPEN_QUOTE),
        (1004, event_rows.OPEN_QUOTE),
    ]


def test_two_stray_quotes_do_not_join_the_lines_between_them(tmp_path: Path) -> None:
    events, rejects = read(write(tmp_path, HEADER + b'u,"a,1\nu,b,2\nu,c",3\n'))
    assert [event.item_id for event in events] == ["b", 'c"']
    assert [row.line for row in rejects.rows] == [2]


def test_columns_stand_in_any_order_and_others_are_ignored(tmp_path: Path) -> None:
    content = (
        b"country,type,timestamp, item_id ,value,user_id\n"
        b"United Kingdom,view,1291191960,21730,,17850\n"
        b'"Ireland, Republic of",rating,0,x,4.5,y\n'
    )
    events, rejects = read(write(tmp_path, content))
    assert events == [
        Event(user_id="17850", item_id="21730", type="view", timestamp=1291191960),
        Event(user_id="y", item_id="x", type="rating", timestamp=0, value=4.5),
    ]
    assert not len(rejects)


def test_gzip_crlf_byte_order_mark_and_empty_lines_are_read(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfuser_id,item_id,timestamp\r\nu,a,1\r\n\r\n\nu,b,2"
    events, _ = read(write(tmp_path, gzip.compress(content), "events.csv.gz"))
    assert events == [purchase("u", "a", 1), purchase("u", "b", 2)]


def test_events_come_in_batches(tmp_path: Path) -> None:
    path, known = find_events(write(tmp_path, HEADER + b"".join(b"u,i,%d\n" % second for second in range(7))))
    batches = read_batches(path, known, Rejects(), batch_size=3)
    assert [[event.timestamp for event in batch] for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_default_type_is_the_callers_choice(tmp_path: Path) -> None:
    write(tmp_path, b"user_id,item_id,timestamp,type\nu,i,1,\nu,i,2,like\n")
    events, _ = read(tmp_path, default_type="view")
    assert [event.type for event in events] == ["view", "like"]
    with pytest.raises(DataError, match="type 'buy' is not one of view, click"):
        read(tmp_path, default_type="buy")


@pytest.mark.parametrize("num_bytes", [2**20, 2**20 + 1, 3 * 2**20])
def test_a_huge_line_is_one_row_whatever_stands_in_it(tmp_path: Path, num_bytes: int) -> None:
    tail = b"u,inside,1"  # a whole event where a reader that splits long lines would begin anew
    huge = tail.rjust(num_bytes, b"x")
    events, rejects = read(write(tmp_path, HEADER + b"u,a,1\n" + huge + b"\nu,b,2\n" + b"\xff" * num_bytes))
    assert events == [purchase("u", "a", 1), purchase("u", "b", 2)]
    too_long = "longer than 1048576 bytes"
    reasons = [too_long, too_long] if num_bytes > 2**20 else ["user_id is longer than 128 bytes", "not UTF-8"]
    assert [(row.line, row.reason, len(row.content)) for row in rejects.rows] == [
        (3, reasons[0], 1003),
        (5, reasons[1], 1003),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.csv", b"", "the first line is empty; it must name the columns"),
        ("events.csv", b"user_id,timestamp\n1,2\n", "column 'item_id' is missing; there are: user_id, timestamp"),
        ("events.csv", b"user_id,item_id,item_id ,timestamp\n", "column 'item_id' appears twice"),
        ("events.csv", b"\x00\xff\xfe\n", "the first line, which must name the columns, is not UTF-8"),
        ("events.csv", b"user_id,item_id,timestamp\ru,i,1\r", "lines must end in LF or CRLF"),
        ("events.csv", b'"user_id,item_id,timestamp\n', "the first line, which must name the columns, cannot be cut"),
        ("ratings.csv", b"userId,user_id,movieId,timestamp\n", "column 'user_id' appears twice"),
        ("events.csv.gz", HEADER, "corrupt gzip file"),
        ("events.csv.gz", gzip.compress(HEADER + b"u,i,1\n" * 1000)[:-9], "corrupt gzip file"),
        ("events.csv.gz", gzip.compress(HEADER)[:12] + b"\xff" * 20, "corrupt gzip file"),
        ("events.parquet", b"PAR1 not parquet", "cannot be read as Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=r"^[^\n]*$") as caught:
        read(write(tmp_path, content, name))
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")


def test_a_file_that_has_gone_is_named(tmp_path: Path) -> None:
    path, known = find_events(write(tmp_path, HEADER))
    path.unlink()
    with pytest.raises(DataError, match=r"events\.csv: cannot be read \(No such file or directory\)$"):
        list(read_columns(path, known, Rejects()))


def test_parquet_is_judged_like_text(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "user_id": [7, None, 9, 10],
            "item_id": ["a,b", "b", "c\n", "d"],
            "timestamp": [1_577_934_245.0, 2.0, 3.0, 4.5],
            "value": [None, 1.0, 1.0, 1.0],
            "other": [[1], [2], [3], [4]],
        }
    )
    table.write_parquet(tmp_path / "events.parquet")
    events, rejects = read(tmp_path)
    assert events == [purchase("7", "a,b", 1_577_934_245)]
    assert facts(rejects) == [
        ("events.parquet", 3, "user_id is missing", ",b,2.0,1.0"),
        ("events.parquet", 4, "item_id holds a control character", "9,c\n,3.0,1.0"),
        ("events.parquet", 5, event_rows.NO_TIME, "10,d,4.5,1.0"),
    ]


def test_dates_and_times_of_parquet_are_seconds(tmp_path: Path) -> None:
    seconds = pl.Series([-1, 1_577_934_245])
    for name, times in {
        "naive": pl.from_epoch(seconds),
        "aware": pl.from_epoch(seconds).dt.replace_time_zone("Europe/Paris"),
        "date": pl.from_epoch(seconds).dt.date(),
    }.items():
        (tmp_path / name).mkdir()
        table = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["i", "i"], "timestamp": times})
        table.write_parquet(tmp_path / name / "events.parquet")
    expected = {"naive": 1_577_934_245, "aware": 1_577_934_245 - 3600, "date": 1_577_923_200}
    for name, timestamp in expected.items():
        events, rejects = read(tmp_path / name)
        assert [event.timestamp for event in events] == [timestamp]
        assert [row.reason for row in rejects.rows] == [event_rows.OUTSIDE]


def test_parquet_of_many_rows_keeps_order_and_line_numbers(tmp_path: Path) -> None:
    times = [str(n) for n in range(25_000)]
    times[20_000] = "never"
    table = pl.DataFrame({"timestamp": times, "user_id": ["u"] * 25_000, "item_id": ["i"] * 25_000})
    table.write_parquet(tmp_path / "events.parquet")
    events, rejects = read(tmp_path)
    assert [event.timestamp for event in events] == [n for n in range(25_000) if n != 20_000]
    assert [row.line for row in rejects.rows] == [20_002]


def test_parquet_without_rows_or_columns_is_no_crash(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [], "item_id": [], "timestamp": []}).write_parquet(tmp_path / "events.parquet")
    assert read(tmp_path)[0] == []
    pl.DataFrame({"user_id": ["u"]}).write_parquet(tmp_path / "events.parquet")
    with pytest.raises(DataError, match="column 'item_id' is missing; there are: user_id"):
        read(tmp_path)


def test_parquet_without_polars_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "events.parquet").write_bytes(b"")
    program = (
        "import sys; sys.modules['polars'] = None; from pathlib import Path; from shortlist.events import *\n"
        "try: list(read_columns(*find_events(Path(sys.argv[1])), Rejects()))\n"
        "except DataError as error: print(error)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "events.parquet needs polars: pip install 'shortlist[training]'\n"


def test_columns_hold_the_contracts_numbers(tmp_path: Path) -> None:
    path, known = find_events(write(tmp_path, b"user_id,item_id,timestamp,type,value\nu,i,5,like,\nu,j,6,,2.5\n"))
    columns = next(read_columns(path, known, Rejects()))
    assert (columns.user_ids, columns.item_ids) == (["u", "u"], ["i", "j"])
    assert (columns.timestamps.tolist(), columns.types.tolist()) == ([5, 6], [5, 4])
    assert math.isnan(columns.values[0])
    assert columns.values[1] == 2.5
    assert (columns.timestamps.typecode, columns.types.typecode, columns.values.typecode) == ("q", "B", "d")


IDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=32)
EVENTS = st.builds(
    Event,
    user_id=IDS,
    item_id=IDS,
    type=st.sampled_from(list(EVENT_TYPES)),
    timestamp=st.integers(0, MAX_TIMESTAMP),
    value=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(st.lists(EVENTS))
def test_what_the_csv_module_writes_is_read_back(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        with Path(directory, "events.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["user_id", "item_id", "timestamp", "type", "value"])
            for event in events:
                writer.writerow([event.user_id, event.item_id, event.timestamp, event.type, event.value])
        assert read(Path(directory), batch_size=7)[0] == events


LINES = st.lists(
    st.sampled_from([b"u,i,1", b"", b'"u",i,1', b'u,"i,1', b"u,i", b"\xff,i,1", b"u,i,x", b"u,long,123456789"])
    | st.binary(max_size=9)
    | st.text(alphabet='u,"\r\n1i\0', max_size=9).map(str.encode)
)


@given(LINES, st.integers(1, 40))
def test_every_line_is_an_event_or_rejected_wherever_blocks_end(parts: list[bytes], block_bytes: int) -> None:
    content = b"\n".join(parts)
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        whole, rejects = read(write(Path(directory), HEADER + content))
        num_lines = sum(1 for line in content.split(b"\n") if line.rstrip(b"\r"))
        assert len(whole) + len(rejects) == len(rejects.rows) + len(whole) == num_lines
        patch.setattr(lines, "_BLOCK_BYTES", block_bytes)
        patch.setattr(lines, "MAX_LINE_BYTES", 40)
        in_pieces, same = read(Path(directory))
        assert (in_pieces, facts(same)) == (whole, facts(rejects))


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="needs ../shared/data")
def test_online_retail_is_read_whole() -> None:
    events, rejects = read(SHARED_DATA / "online-retail")
    assert (len(events), len(rejects)) == (308_004, 0)
