"""Only decode and encode know the messages of the contract; the other stages speak of domain types."""

from __future__ import annotations

import ast
from pathlib import Path

import shortlist_server.pipeline

PIPELINE = Path(next(iter(shortlist_server.pipeline.__path__)))
# The entry of a source in the manifest is what a source is built from: the format of packages, not of requests.
MANIFEST = "shortlist.v1.manifest_pb2"


def imported(file: Path) -> set[str]:
    """The modules of the contract that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "shortlist.v1":
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.startswith("shortlist.v1")}


def test_no_stage_between_decode_and_encode_imports_a_message() -> None:
    files = sorted(PIPELINE.rglob("*.py"))
    knowing = {file.relative_to(PIPELINE) for file in files if imported(file) - {MANIFEST}}
    assert {Path("decode.py"), Path("encode.py")} <= knowing
    assert {path for path in knowing if path.parts[0] not in ("decode.py", "encode.py", "decoding")} == set()
    assert len(files) > 25
