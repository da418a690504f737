"""What `shortlist data check` accepts, `shortlist events import` records: the same rows, and the same rejects."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from shortlist.cli.events import events as events_app
from shortlist.v1 import event_pb2
from shortlist.vocabulary import EVENT_TYPES
from shortlist_training.data.reader import read_directory
from tests import event_rows
from tests.event_rows import ROWS
from tests.protos.scripted_server import MAX_WAIT_S, Script, start_server

CSV = event_rows.file_of(ROWS)
RATINGS = b"userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,x\x00,2.5,1260759144\n2,10,,835355493\n2,10,4.0\n"


def write_parquet(path: Path) -> None:
    rows = {"user_id": ["u", None, "v"], "item_id": ["a", "b", "c"], "timestamp": [1, 2, -3], "value": [0.5, None, 1.0]}
    pl.DataFrame(rows).write_parquet(path)


# The name of the events file -> how to write one, with good rows and wrong ones.
FILES: dict[str, Callable[[Path], object]] = {
    "events.csv": lambda path: path.write_bytes(CSV),
    "events.csv.gz": lambda path: path.write_bytes(gzip.compress(CSV)),
    "events.parquet": write_parquet,
    "ratings.csv": lambda path: path.write_bytes(RATINGS),
    "ratings.csv.gz": lambda path: path.write_bytes(gzip.compress(RATINGS)),
    "ratings.dat": lambda path: path.write_bytes(
        b'1::"122::5::838985046\n1:::185::5\n1::185::4.5::838983525:\n2::3::1::5\n'
    ),
    "u.data": lambda path: path.write_bytes(b"196\t242\t3\t881250949\n186\t302\tthree\t891717742\n\t1\t1\t1\n"),
}


@pytest.fixture
def script() -> Iterator[Script]:
    server, script = start_server(None)
    yield script
    server.stop(0).wait(MAX_WAIT_S)


def import_events(script: Script, directory: Path, *options: str) -> Result:
    script.answers.extend(event_pb2.RecordEventsResponse(num_recorded=1) for _ in range(100))
    app = typer.Typer()
    app.add_typer(events_app, name="events")
    arguments = ["events", "import", "--target", script.target, "--data", str(directory), *options]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def recorded(script: Script) -> list[event_pb2.Event]:
    requests = [request for request in script.requests if isinstance(request, event_pb2.RecordEventsRequest)]
    return [event for request in requests for event in request.events]


@pytest.mark.parametrize("name", FILES)
def test_a_directory_is_recorded_as_it_is_trained_on(script: Script, tmp_path: Path, name: str) -> None:
    (tmp_path / "data").mkdir()
    FILES[name](tmp_path / "data" / name)
    raw = read_directory(tmp_path / "data")
    raw.rejects.write(tmp_path / "checked.csv")
    finished = import_events(
        script, tmp_path / "data", "--rejects", str(tmp_path / "imported.csv"), "--batch-size", "7"
    )
    assert finished.exit_code == 0, finished.output
    fields = [(e.user_id, e.item_id, e.timestamp, int(e.type), e.value) for e in recorded(script)]
    expected = raw.events.with_columns(pl.col("value").fill_null(0).cast(pl.Float32).cast(pl.Float64))
    assert fields == expected.rows()
    assert len(fields) > 0
    assert len(raw.rejects) > 0
    assert f"{len(fields)} events sent" in finished.stdout
    assert f"{len(raw.rejects)} rows rejected" in finished.stdout
    assert (tmp_path / "imported.csv").read_bytes() == (tmp_path / "checked.csv").read_bytes()


def test_without_wrong_rows_no_rejects_file_stays(script: Script, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu,,1\nu,a,1\n")
    rejects = tmp_path / "rejects.csv"
    assert import_events(script, tmp_path, "--rejects", str(rejects)).exit_code == 0
    assert rejects.exists()
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu,a,1\n")
    assert import_events(script, tmp_path, "--rejects", str(rejects)).exit_code == 0
    assert not rejects.exists()


def test_the_type_option_beats_the_default_of_the_format(script: Script, tmp_path: Path) -> None:
    (tmp_path / "u.data").write_bytes(b"196\t242\t3\t881250949\n")
    assert import_events(script, tmp_path, "--type", "like", "--rejects", str(tmp_path / "r.csv")).exit_code == 0
    assert [event.type for event in recorded(script)] == [EVENT_TYPES["like"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--type", "buy"), "type 'buy' is not one of view"),
        (("--rejects", "{data}/events.csv"), "exists and is no file of rejected rows; it is not overwritten"),
        (("--rejects", "{data}/events.csv/r.csv"), "cannot write the rejected rows there"),
    ],
)
def test_a_wrong_option_is_one_line_before_anything_is_sent(
    script: Script, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    content = "user_id,item_id,timestamp\nu,a,1\nu,,1\n"
    (tmp_path / "events.csv").write_text(content)
    rejects = ("--rejects", str(tmp_path / "r.csv"), *(option.format(data=tmp_path) for option in options))
    finished = import_events(script, tmp_path, *rejects)
    assert finished.exit_code == 2
    (line,) = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert not script.requests
    assert (tmp_path / "events.csv").read_text() == content


def test_rejects_are_complete_when_the_gzip_turns_out_damaged(script: Script, tmp_path: Path) -> None:
    damaged = gzip.compress(b"user_id,item_id,timestamp\nu,i,x\n" + b"u,i,1\n" * 100_000)[:-8]
    (tmp_path / "events.csv.gz").write_bytes(damaged)
    finished = import_events(script, tmp_path, "--rejects", str(tmp_path / "rejects.csv"))
    assert finished.exit_code == 2
    assert "corrupt gzip file" in finished.stderr
    lines = (tmp_path / "rejects.csv").read_text("utf-8").splitlines()
    assert lines == ["file,line,reason,content", f'events.csv.gz,2,{event_rows.NO_TIME},"u,i,x"']
