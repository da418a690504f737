"""The command line: what it lists, how it fails, and what it prints of a real server's answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import shortlist
from tests.demo_run import run_shortlist

COMMANDS = ("serve", "train", "evaluate", "recommend", "events", "package", "data", "demo")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_listed_and_explains_itself(command: str) -> None:
    assert command in run_shortlist("--help").stdout
    assert "Usage" in run_shortlist(command, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "expected", "exit_code"),
    [
        (("recommend", "--target", "127.0.0.1:1", "--user", "u", "--timeout-s", "1"), "UNAVAILABLE", 1),
        (("recommend", "--target", "127.0.0.1:1", "--user", "u", "--explain", "novel"), "'novel' is not one of", 2),
        (("events", "import", "--target", "127.0.0.1:1", "--data", "no-such-directory"), "no-such-directory", 2),
        (("serve", "--package", "no-such-package"), "no-such-package", 2),
        (("package", "verify", "no-such-package"), "no-such-package", 2),
        (("train", "--recipe", "hybrid", "--data", "no-such-data", "--out", "x"), "no-such-data", 2),
        (("train", "--recipe", "no-such-recipe", "--data", ".", "--out", "x"), "no-such-recipe", 2),
        (("evaluate", "--package", "no-such-package", "--data", "."), "no-such-package", 2),
    ],
)
def test_errors_are_one_line_that_names_the_value(arguments: tuple[str, ...], expected: str, exit_code: int) -> None:
    finished = run_shortlist(*arguments)
    assert finished.returncode == exit_code
    [line] = [line for line in finished.stderr.splitlines() if line.strip()]
    assert expected in line
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [(("serve", "--package", "."), "server"), (("evaluate", "--package", ".", "--data", "."), "training")],
)
def test_a_command_without_its_extra_names_the_extra(arguments: tuple[str, ...], extra: str, tmp_path: Path) -> None:
    """In an interpreter that cannot import what the extras bring."""
    blocked = "sys.modules['lmdb'] = sys.modules['torch'] = sys.modules['polars'] = None"
    (tmp_path / "sitecustomize.py").write_text(f"import sys\n{blocked}\n")
    finished = subprocess.run(
        [sys.executable, "-m", "shortlist.cli", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert finished.returncode == 2
    [line] = finished.stderr.splitlines()
    assert f"pip install 'shortlist[{extra}]'" in line


def test_an_import_without_a_single_event_fails(demo_server: str, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu,i,yesterday\n")
    finished = run_shortlist("events", "import", "--target", demo_server, "--data", str(tmp_path), cwd=tmp_path)
    assert finished.returncode == 2
    assert "not one row is an event" in finished.stderr


def test_the_version_is_printed() -> None:
    assert run_shortlist("--version").stdout.strip() == shortlist.__version__


def test_recommend_prints_json_for_programs(demo_server: str) -> None:
    finished = run_shortlist("recommend", "--target", demo_server, "--user", "12347", "--k", "3", "--json")
    assert finished.returncode == 0, finished.stderr
    reply = json.loads(finished.stdout)
    assert len(reply["items"]) == 3
    assert reply["package"]["id"]


def test_bad_rows_are_counted_and_written_with_their_line_numbers(demo_server: str, tmp_path: Path) -> None:
    data, rejects = tmp_path / "data", tmp_path / "rejects.csv"
    data.mkdir()
    rows = [
        "rows-user,85123A,1310000000",
        "rows-user,22423,yesterday",
        ",22423,1310000001",
        "rows-user,22423,1310000002,9",
    ]
    (data / "events.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    arguments = ("events", "import", "--target", demo_server, "--data", str(data), "--rejects", str(rejects))
    first, second = run_shortlist(*arguments), run_shortlist(*arguments)
    assert "1 events sent, 1 of them new, 3 rows rejected" in first.stdout
    assert "1 events sent, 0 of them new, 3 rows rejected" in second.stdout
    assert [line.split(",")[1] for line in rejects.read_text("utf-8").splitlines()] == ["line", "3", "4", "5"]
