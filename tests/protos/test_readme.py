"""The folder's README: its Python runs as it stands, its commands pass; only the port is that of the test."""

import re
import subprocess
import sys
from pathlib import Path

from shortlist.v1 import answer_pb2, event_pb2, recommendation_pb2
from tests.protos.scripted_server import Script

PROTOS = Path(__file__).parents[2] / "protos"
README = (PROTOS / "README.md").read_text("utf-8")


def test_the_call_in_python_runs(script: Script) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
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
