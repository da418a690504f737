"""The folder's README: its Python runs as it stands, its tables say what the code says; only the port is the test's."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shortlist.package import read_golden, read_manifest, verify_files
from shortlist.package.features import known_features, parse_feature
from shortlist.package.manifest import kind_names
from shortlist.v1 import answer_pb2, event_pb2, recommendation_pb2
from tests.protos.package.small_package import write_package
from tests.protos.scripted_server import Script

PROTOS = Path(__file__).parents[2] / "protos"
README = (PROTOS / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The code of this language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def first_cells(heading: str) -> list[str]:
    """What the first column of the table with this heading has in backticks."""
    rows = README.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    assert rows, heading
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_the_call_in_python_runs(script: Script) -> None:
    code, _ = blocks("python")
    assert "localhost:8500" in code
    found_by = answer_pb2.Reason(found_by=answer_pb2.FoundBy(source="popular", rank=1))
    item = answer_pb2.RankedItem(item_id="71053", score=0.5, title="Lantern", reasons=[found_by])
    script.answers.append(event_pb2.RecordEventsResponse(num_recorded=1))
    script.answers.append(recommendation_pb2.RecommendResponse(items=[item]))
    finished = subprocess.run(
        [sys.executable, "-c", code.replace("localhost:8500", script.target)],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(PROTOS)},
    )  # fmt: skip
    assert finished.stdout.splitlines()[0] == "71053 0.5 Lantern popular #1", finished.stderr
    assert finished.returncode == 0
    assert len(script.requests) == 2


def test_every_file_named_exists() -> None:
    named = re.findall(r"`((?:shortlist/)?[\w/]+(?:\.py|\.yaml|/))`", README)
    assert len(named) > 8
    missing = [name for name in named if not any((root / name).exists() for root in (PROTOS, PROTOS / "shortlist"))]
    assert not missing


def test_the_package_is_written_by_its_code_as_it_is_shown(tmp_path: Path) -> None:
    _, code = blocks("python")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env={"PYTHONPATH": str(PROTOS)})
    package = tmp_path / "shop"
    verify_files(package, read_manifest(package))
    assert len(read_golden(package).requests) == 1
    (shown,) = map(json.loads, blocks("json"))
    written = json.loads((package / "manifest.json").read_bytes())
    assert len(shown["files"]) == 1
    assert shown["files"][0] in written["files"]
    assert shown | {"created": "", "files": []} == written | {"created": "", "files": []}


def files_by_the_table() -> list[str]:
    """A regular expression for each file that the table names."""
    patterns: list[str] = []
    for name in first_cells("file"):
        path = name.replace("...", str(Path(patterns[-1]).parent)) if name.startswith("...") else name
        before, brace, rest = path.partition("{")
        inside, _, after = rest.partition("}")
        for part in inside.split(",") if brace else [""]:
            patterns.append(f"{before}{part}{after}")
    return [re.sub("NAME|SPACE", "[^/]+", pattern) for pattern in patterns]


def test_the_table_of_files_names_each_file_of_a_package_and_no_other(tmp_path: Path) -> None:
    package = write_package(tmp_path / "package")
    paths = [file.relative_to(package).as_posix() for file in package.rglob("*") if file.is_file()]
    patterns = files_by_the_table()
    by_item = [path for path in paths if "/by_item/" in path]
    assert len(by_item) == 3
    for path in set(paths) - set(by_item):
        assert any(re.fullmatch(pattern, path) for pattern in patterns), path
    for pattern in patterns:
        assert any(re.fullmatch(pattern, path) for path in paths), pattern


def test_the_tables_of_kinds_and_features_are_those_of_the_format() -> None:
    assert first_cells("kind") == kind_names()
    named = {parse_feature(text).name for text in first_cells("feature")}
    assert named == {parse_feature(text).name for text in known_features()}


@pytest.mark.parametrize("text", first_cells("feature"))
def test_each_feature_is_told_with_its_type_and_axes(text: str) -> None:
    spec = parse_feature(text).spec
    (row,) = [line for line in README.splitlines() if line.startswith("|") and f"`{text}`" in line.split("|")[1]]
    letters = {"batch": "B", "history": "L", "candidates": "C", "sources": "S", "dimensions": "D"}
    assert spec.dtype in row.split("|")[2]
    assert f"[{', '.join(letters[axis] for axis in spec.axes)}]" in row.split("|")[2]
