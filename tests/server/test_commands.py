"""The commands as a person runs them: what they print, and that a fault is one line and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from shortlist_server.commands import package

EditManifest: TypeAlias = Callable[[Callable[[dict[str, Any]], None]], None]
ReplaceFile: TypeAlias = Callable[[str, bytes], None]


def verify(path: Path) -> Result:
    return CliRunner().invoke(package, ["verify", str(path)])


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shortlist_server", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_verify_shows_what_a_sound_package_holds(package_dir: Path) -> None:
    result = verify(package_dir)
    assert result.exit_code == 0, result.output
    for word in ("small-world", "items/ids", "item_neighbours", "history.vectors", "global_time", "ndcg@10 0.1250"):
        assert word in result.output
    assert result.output.splitlines()[-1] == "sound: 18 files, 4 golden requests answered alike"


def test_verify_says_on_which_split_the_metrics_were_measured_and_that_a_licence_is_one(
    package_copy: Path, edit_manifest: EditManifest
) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["data"]["licence"] = "unstated"
        test = manifest["evaluations"][0]
        manifest["evaluations"] = [test | {"split": "validation"}, test]

    edit_manifest(change)
    lines = verify(package_copy).output.splitlines()
    assert lines[0].endswith("  60 items, licence unstated")
    titles = [line.strip() for line in lines if line.startswith("metrics")]
    assert titles == ["metrics, global_time, validation split", "metrics, global_time, test split"]


def test_verify_says_in_one_line_what_is_wrong(package_copy: Path) -> None:
    with (package_copy / "items/titles.bytes.npy").open("r+b") as stream:
        stream.write(b"XXXX")
    result = verify(package_copy)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {package_copy}/items/titles.bytes.npy: sha256 is ")
    assert result.stderr.count("\n") == 1


def test_verify_compares_the_golden_answers(package_copy: Path, replace_file: ReplaceFile) -> None:
    golden = json.loads((package_copy / "golden.json").read_text())
    golden["requests"][1]["ranked"]["scores"][0] += 0.01
    replace_file("golden.json", json.dumps(golden).encode())
    result = verify(package_copy)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {package_copy}/golden.json: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "package: must be given"),
        (("--package", "{tmp}/none"), "{tmp}/none: no such directory"),
        (("--package", "{tmp}"), "{tmp}/manifest.json: missing"),
        (("--package", "{tmp}", "--port", "70000"), "port: input should be less than or equal to 65535, got 70000"),
        (("--package", "{tmp}", "--host", "0.0.0.0"), "host: '0.0.0.0' is reachable from other machines"),
        (("--package", "{tmp}", "--host", "0.0.0.0", "--allow-plaintext"), "{tmp}/manifest.json: missing"),
        (("--config", "{tmp}/none.toml"), "{tmp}/none.toml: No such file"),
    ],
)
def test_serve_refuses_in_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    finished = serve(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith(f"error: {message.format(tmp=tmp_path)}")
    assert finished.stderr.count("\n") == 1


def test_the_commands_are_light_to_import() -> None:
    script = "import sys, shortlist_server.commands; print({'numpy', 'pydantic', 'polars', 'grpc'} & set(sys.modules))"
    finished = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert finished.stdout == "set()\n"
