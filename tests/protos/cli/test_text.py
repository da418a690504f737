"""What foreign text says in brackets or between colons is printed, not obeyed."""

import io
from pathlib import Path

from rich.console import Console

from shortlist.cli.demo import step
from shortlist.v1 import answer_pb2, recommendation_pb2
from tests.demo_run import run_shortlist
from tests.protos.scripted_server import Script


def test_recommend_prints_ids_titles_and_reasons_as_they_are(script: Script) -> None:
    found_by = answer_pb2.Reason(found_by=answer_pb2.FoundBy(source="shop[uk]", rank=1))
    titles = {"85123A[red]": "Mug [red]", "closing": "[/b] tag", "colons": ":heart: sign"}
    items = [answer_pb2.RankedItem(item_id=item, title=title, reasons=[found_by]) for item, title in titles.items()]
    package = answer_pb2.PackageVersion(id="[bold]shop-1")
    script.answers.append(recommendation_pb2.RecommendResponse(items=items, package=package))
    finished = run_shortlist("recommend", "--target", script.target, "--user", "u")
    assert finished.returncode == 0, finished.stderr
    for text in (*titles, *titles.values(), "shop[uk] #1", "package [bold]shop-1"):
        assert text in finished.stdout


def test_the_demo_shows_its_commands_as_they_are(tmp_path: Path) -> None:
    shown = io.StringIO()
    directory = str(tmp_path / "[/bold]")
    step(Console(file=shown), "1/6  Copy [/b]", "data", "copy", "online-retail", directory)
    assert "1/6  Copy [/b]" in shown.getvalue()
    assert directory in shown.getvalue()
