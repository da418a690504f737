"""What `package verify` prints: everything that a package says of itself, and nothing that a terminal acts upon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from shortlist_server.catalog.describe import contents_tables, plain
from shortlist_server.catalog.package import Package, open_package
from tests.server.conftest import SPACE, EditManifest

HOSTILE = "\x1b]0;title\x07\x1b[2J\u009b31m[red]"


def printed(package: Package) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        for table in contents_tables(package):
            console.print(table)
    return capture.get()


def unwrapped(text: str) -> str:
    """Without spaces and ends of lines, which fall wherever a table is too narrow."""
    return "".join(text.split())


def test_files_sources_graphs_and_metrics_are_listed(package: Package) -> None:
    text = unwrapped(printed(package))
    for shown in (
        f"vectors/{SPACE}.index",
        "sources, fused by weighted",
        "scores/popular.npy; fallback",
        f"space {SPACE} (inner_product), graph over the last 10",
        "history: last 10, decay 0.9 a step",
        f"history.vectors:{SPACE}",
        "metrics, global_time, test split",
        "ndcg@10 0.1250",
    ):
        assert unwrapped(shown) in text


def test_no_text_of_a_manifest_reaches_the_terminal_as_a_command(
    package_copy: Path, edit_manifest: EditManifest
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["sources"][0]["family"] = HOSTILE
        document["files"][0]["role"] = HOSTILE
        evaluation = document["evaluations"][0]
        evaluation.update(protocol=HOSTILE, split=HOSTILE)
        evaluation["results"][0]["scorer"] = HOSTILE
        evaluation["results"][0]["metrics"][0]["name"] = HOSTILE

    edit_manifest(change)
    text = printed(open_package(package_copy))
    assert unwrapped(text).count("]0;title[2J31m[red]") == 6
    assert all(character.isprintable() or character == "\n" for character in text)


def test_plain_text_stays_as_it_is() -> None:
    assert plain("Erdbeer-Törtchen, 2 €") == "Erdbeer-Törtchen, 2 €"
