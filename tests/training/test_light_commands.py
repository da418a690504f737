"""A mistake is answered before anything that takes long is loaded."""

import json
import subprocess
import sys
from pathlib import Path

from tests.training.conftest import Trained
from tests.training.shop import write_events

_PROGRAM = """
import json, sys
from shortlist.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["shortlist", *arguments]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    print("ended:", code, sorted({"torch", "pytorch_lightning", "onnxruntime"} & set(sys.modules)))
"""


def _run(*commands: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Run commands in one new process: how each ended and which heavy modules were loaded by then; their errors."""
    program = [sys.executable, "-c", _PROGRAM, json.dumps(commands)]
    finished = subprocess.run(program, capture_output=True, text=True, check=True)
    ends = [line for line in finished.stdout.splitlines() if line.startswith("ended: ")]
    return ends, [line for line in finished.stderr.splitlines() if line.startswith("error: ")]


def test_the_data_commands_do_not_load_the_learning_libraries(shop: Path, tmp_path: Path) -> None:
    ends, _ = _run(("data", "check", str(shop)), ("data", "list"), ("data", "copy", "online-retail", str(tmp_path)))
    assert ends == ["ended: 0 []"] * 3


def test_train_and_evaluate_refuse_without_loading_them(trained: Trained, tmp_path: Path) -> None:
    good, package = str(trained.data), str(trained.package)
    nowhere, unusable, short = (str(tmp_path / name) for name in ("nowhere", "unusable", "short"))
    Path(unusable).mkdir()
    (Path(unusable) / "events.csv").write_text("user_id,item_id\nu,a\n")
    write_events(Path(short), [("u", f"i{n}", n) for n in range(5)])
    out = ("--out", str(tmp_path / "out"))
    expected = {
        ("train", "--data", nowhere, *out): "no such directory",
        ("train", "--data", good, *out, "--recipe", "magic"): "recipe 'magic' is unknown",
        ("train", "--data", unusable, *out): "column 'timestamp' is missing",
        ("train", "--data", short, *out): "no split by time is possible",
        ("train", "--data", good, *out, "--resume"): "no run to resume",
        ("evaluate", "--package", nowhere, "--data", good): "no such directory",
        ("evaluate", "--package", package, "--data", nowhere): "no such directory",
        ("evaluate", "--package", package, "--data", unusable): "column 'timestamp' is missing",
        ("evaluate", "--package", package, "--data", short): "no split by time is possible",
        ("evaluate", "--package", package, "--data", good, "--protocol", "best"): "protocol 'best' is unknown",
    }
    ends, errors = _run(*expected)
    assert ends == ["ended: 2 []"] * len(expected)
    for error, message in zip(errors, expected.values(), strict=True):
        assert message in error
