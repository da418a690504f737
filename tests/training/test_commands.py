"""The commands as a user meets them: tables, files, one-line errors with exit code 2."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo_run import run_shortlist
from tests.training.conftest import Trained
from tests.training.runner import one_line_error, run_in_process
from tests.training.shop import shop_events, write_events


def test_evaluate_prints_metrics_protocol_and_comparison_and_writes_json(trained: Trained, tmp_path: Path) -> None:
    report = tmp_path / "deep" / "report.json"
    finished = run_in_process(
        "evaluate", "--package", str(trained.package), "--data", str(trained.data), "--json", str(report), "--k", "5"
    )
    assert finished.exit_code == 0, finished.stderr
    for text in ("ndcg@5", "recent_popular", "funnel", "protocol: name global_time", "candidates all", "95 % interval"):
        assert text in finished.stdout
    content = json.loads(report.read_text("utf-8"))
    assert list(content["results"]) == [
        "two_tower",
        "item_neighbours",
        "popular",
        "recent_popular",
        "fused",
        "funnel",
    ]
    assert content["protocol"]["cutoff"] == 5
    assert content["protocol"]["split"] == "test"
    assert content["protocol"]["ties"] == "mean over all orders"


def test_a_package_that_saw_the_test_period_is_not_evaluated(trained: Trained, tmp_path: Path) -> None:
    """The same package on data that ends earlier: the test period lies before the package's cut."""
    events = shop_events()
    write_events(tmp_path, [event for event in events if event[2] < events[len(events) // 2][2]])
    message = one_line_error("evaluate", "--package", str(trained.package), "--data", str(tmp_path))
    assert "trained on events until" in message
    assert "would leak" in message


def test_a_package_may_meet_items_that_it_does_not_know(trained: Trained, tmp_path: Path) -> None:
    events = shop_events()
    newest = events[-1][2]
    write_events(tmp_path, [*events, *((user, "brand-new", newest - 1) for user, _, _ in events[:40])])
    finished = run_in_process("evaluate", "--package", str(trained.package), "--data", str(tmp_path))
    assert finished.exit_code == 0, finished.stderr
    assert "are not in the package: they count as missed" in finished.stdout


def test_evaluate_says_when_the_target_leaves_users_out(trained: Trained, tmp_path: Path) -> None:
    header = "user_id,item_id,timestamp,type\n"
    events = shop_events()
    kinds = ["view" if int(user.split("-")[1]) % 2 else "purchase" for user, _, _ in events]
    rows = [f"{user},{item},{time},{kind}\n" for (user, item, time), kind in zip(events, kinds, strict=True)]
    (tmp_path / "events.csv").write_text(header + "".join(rows))
    finished = run_in_process("evaluate", "--package", str(trained.package), "--data", str(tmp_path))
    assert finished.exit_code == 0, finished.stderr
    (note,) = [line for line in finished.stdout.splitlines() if line.startswith("note: ")]
    assert note.endswith("of them count, as the target is purchase")
    active, counted = (int(word) for word in note.split() if word.isdigit())
    assert 0 < counted < active
    whole = run_in_process("evaluate", "--package", str(trained.package), "--data", str(trained.data))
    assert "note: " not in whole.stdout
    assert "target purchase" in whole.stdout


def test_the_installed_command_fails_with_one_line_too(tmp_path: Path) -> None:
    finished = run_shortlist("data", "check", str(tmp_path / "nowhere"))
    assert finished.returncode == 2
    assert finished.stderr == f"error: {tmp_path / 'nowhere'}: no such directory\n"


def test_bad_options_are_one_line_and_name_what_is_wrong(trained: Trained, tmp_path: Path) -> None:
    data, package, out = str(trained.data), str(trained.package), str(tmp_path / "out")
    assert "recipe 'magic' is unknown; there are: hybrid, or MODULE:FUNCTION" in one_line_error(
        "train", "--data", data, "--out", out, "--recipe", "magic"
    )
    assert "nowhere: no such directory" in one_line_error("train", "--data", str(tmp_path / "nowhere"), "--out", out)
    assert "not overwritten" in one_line_error("train", "--data", data, "--out", data)
    inside_a_file = str(trained.data / "events.csv" / "package")
    assert "cannot be written there" in one_line_error(
        "train", "--data", data, "--out", inside_a_file, "--log-dir", out
    )
    assert "no run to resume" in one_line_error("train", "--data", data, "--out", out, "--resume")
    assert "holds other files" in one_line_error("train", "--data", data, "--out", out, "--log-dir", data)
    assert "protocol 'best' is unknown; there are: global_time" in one_line_error(
        "evaluate", "--package", package, "--data", data, "--protocol", "best"
    )
    assert "out: no such directory" in one_line_error("evaluate", "--package", out, "--data", data)
    assert not (tmp_path / "out").exists()


def test_a_package_with_a_changed_byte_is_not_evaluated(trained: Trained, tmp_path: Path) -> None:
    broken = tmp_path / "package"
    shutil.copytree(trained.package, broken)
    vectors = broken / "vectors/two_tower.index"
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    message = one_line_error("evaluate", "--package", str(broken), "--data", str(trained.data))
    assert "vectors/two_tower.index: sha256 is " in message


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([("u", f"i{n}", 5) for n in range(50)], "no split by time is possible"),
        ([(f"u{n}", f"i{n % 7}", n) for n in range(200)], "nothing to validate on"),
    ],
)
def test_data_that_cannot_be_learned_from_is_one_line(
    tmp_path: Path, events: list[tuple[str, str, int]], message: str
) -> None:
    write_events(tmp_path / "data", events)
    assert message in one_line_error("train", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_data_check_counts_and_writes_what_it_refuses(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu,a,1\nu,,2\nu,b,never\n")
    finished = run_in_process("data", "check", str(tmp_path), "--rejects", str(tmp_path / "rejects.csv"))
    assert finished.exit_code == 0, finished.stderr
    assert "events.csv: 1 rows, item_id is missing (lines 3)" in finished.stderr
    assert (tmp_path / "rejects.csv").read_text().count("\n") == 3
    assert "refused rows" in finished.stdout


def test_refused_rows_that_are_not_written_come_with_the_command_that_writes_them(
    trained: Trained, tmp_path: Path
) -> None:
    shutil.copytree(trained.data, tmp_path / "data")
    with (tmp_path / "data" / "events.csv").open("a") as stream:
        stream.write("user-0,,1600000000\n")
    data = str(tmp_path / "data")
    line = f"refused rows are not written: shortlist data check {data} --rejects FILE does"
    for command in (("data", "check", data), ("evaluate", "--package", str(trained.package), "--data", data)):
        finished = run_in_process(*command)
        assert finished.exit_code == 0, finished.stderr
        assert finished.stderr.splitlines()[-1] == line
    assert line not in run_in_process("data", "check", str(trained.data)).stderr


def test_built_in_data_is_listed_copied_and_readable(tmp_path: Path) -> None:
    listed = " ".join(run_in_process("data", "list").stdout.replace("│", " ").split())
    for text in ("online-retail", "CC0-1.0", "attribution asked", "CC BY 4.0"):
        assert text in listed
    copied = run_in_process("data", "copy", "online-retail", str(tmp_path / "retail"))
    assert copied.exit_code == 0, copied.stderr
    assert {path.name for path in (tmp_path / "retail").iterdir()} == {
        "ATTRIBUTION.md",
        "dataset.json",
        "events.csv.gz",
        "items.csv.gz",
    }
    assert "data set 'movies' is not built in; there are: online-retail" in one_line_error(
        "data", "copy", "movies", str(tmp_path)
    )


def test_the_commands_load_nothing_heavy_until_they_work() -> None:
    program = (
        "import sys, shortlist_training.commands; "
        "print(sorted({'torch', 'polars', 'onnxruntime', 'numpy'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
