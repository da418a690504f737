"""Each section of the ranking benchmark runs small and writes what it says; peers not installed are left out."""

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

KERNELS = Path(__file__).parents[2] / "kernels"
PNG = b"\x89PNG\r\n\x1a\n"
LISTING = "from benchmarks.ranking import SECTIONS; print(*SECTIONS)"
SECTIONS = subprocess.run([sys.executable, "-c", LISTING], cwd=KERNELS, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module", params=SECTIONS.stdout.split())
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a quick run of one section."""
    directory = tmp_path_factory.mktemp(request.param)
    command = [sys.executable, "-m", "benchmarks.ranking", "--quick", "--only", request.param, "--out", str(directory)]
    finished = subprocess.run(command, cwd=KERNELS, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return directory


@pytest.fixture(scope="module")
def figures(written: Path) -> Any:
    return json.loads((written / "ranking.json").read_text("utf-8"))


def test_the_file_names_the_machine_and_at_least_one_race(figures: Any) -> None:
    assert figures["machine"]["cores"] >= 1
    titles = [race["title"] for race in figures["races"]]
    assert titles
    assert len(set(titles)) == len(titles)


def test_every_row_is_compared_with_the_fastest_peer(figures: Any) -> None:
    for race in figures["races"]:
        ours = [row for row in race["rows"] if row["ours"]]
        peers = [row for row in race["rows"] if not row["ours"]]
        assert ours
        fastest_s = min(row["median_s"] for row in peers or ours)
        assert [row["speed"] * row["median_s"] for row in race["rows"]] == pytest.approx(
            [fastest_s] * len(race["rows"])
        )


def test_ours_agree_with_themselves_and_peers_by_a_share(figures: Any) -> None:
    rows = [row for race in figures["races"] for row in race["rows"]]
    assert {row["agreement"] for row in rows if row["ours"]} == {1.0}
    assert all(0 <= row["agreement"] <= 1 for row in rows)


@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason="`make bench` installs matplotlib")
def test_the_picture_is_drawn(written: Path) -> None:
    assert (written / "ranking.png").read_bytes().startswith(PNG)


def test_another_fusion_agrees_where_items_of_equal_scores_change_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(KERNELS))
    fusion = importlib.import_module("benchmarks.fusion")
    lists = fusion.Lists([np.array([[1, 2]]), np.array([[3, 2]])], [np.ones((1, 2), np.float32)] * 2)
    ours_QK = np.array([[2 / 62, 1 / 61, 1 / 61, -np.inf]], np.float32)

    def agrees(scores: list[float], ids: list[int]) -> float:
        return float(fusion.agreement(fusion.RRF, lists, ours_QK, np.array([scores]), np.array([ids])))

    right = ours_QK[0].tolist()
    assert (agrees(right, [2, 1, 3, -1]), agrees(right, [2, 3, 1, -1])) == (1.0, 1.0)
    assert (agrees(right, [2, 1, 1, -1]), agrees(right, [1, 2, 3, -1]), agrees(right, [2, 1, 3, 9])) == (
        0.75,
        0.5,
        0.75,
    )
    assert agrees([*right[:2], right[2] * 1.001, right[3]], [2, 1, 3, -1]) == 0.75
