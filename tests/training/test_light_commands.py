"""A mistake is answered before anything that takes long is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.conftest import Trained
from tests.training.shop import write_events

_PROGRAM = """
import sys
from shortlist.cli import main
sys.argv = ["shortlist", *sys.argv[1:]]
code = 0
try:
    main()
except SystemExit as end:
    code = end.code
print("loaded:", sorted({"torch", "pytorch_lightning", "onnxruntime"} & set(sys.modules)))
raise SystemExit(code)
"""


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command; the last line of its output names the heavy modules that it loaded."""
    return subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=False)


def test_the_data_commands_do_not_load_the_learning_libraries(shop: Path, tmp_path: Path) -> None:
    for arguments in (("check", str(shop)), ("list",), ("copy", "online-retail", str(tmp_path / "retail"))):
        finished = _run("data", *arguments)
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("nowhere", (), "no such directory"),
        ("good", ("--recipe", "magic"), "recipe 'magic' is unknown"),
        ("unusable", (), "column 'timestamp' is missing"),
        ("short", (), "no split by time is possible"),
        ("good", ("--resume",), "no run to resume"),
    ],
)
def test_train_refuses_without_loading_them(
    shop: Path, tmp_path: Path, data: str, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / "unusable").mkdir()
    (tmp_path / "unusable" / "events.csv").write_text("user_id,item_id\nu,a\n")
    write_events(tmp_path / "short", [("u", f"i{n}", n) for n in range(5)])
    directory = shop if data == "good" else tmp_path / data
    _refused(message, "train", "--data", str(directory), "--out", str(tmp_path / "out"), *options)


def test_evaluate_refuses_without_loading_them(trained: Trained, tmp_path: Path) -> None:
    package, data, nowhere = str(trained.package), str(trained.data), str(tmp_path / "nowhere")
    write_events(tmp_path / "short", [("u", f"i{n}", n) for n in range(5)])
    _refused("no such package directory", "evaluate", "--package", nowhere, "--data", data)
    _refused("no such directory", "evaluate", "--package", package, "--data", nowhere)
    _refused("protocol 'best' is unknown", "evaluate", "--package", nowhere, "--data", data, "--protocol", "best")
    _refused("no split by time", "evaluate", "--package", package, "--data", str(tmp_path / "short"))


def _refused(message: str, *arguments: str) -> None:
    finished = _run(*arguments)
    assert finished.returncode == 2, finished.stderr
    assert message in finished.stderr
    assert finished.stdout.splitlines()[-1] == "loaded: []"
