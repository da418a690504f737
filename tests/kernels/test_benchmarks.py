"""The benchmark of search runs small, with the one peer that is always there, and writes what it says."""

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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a quick run."""
    directory = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "benchmarks.search", "--quick", "--peers", "numpy", "--out", str(directory)]
    finished = subprocess.run(command, cwd=KERNELS, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "20,000 x 64" in finished.stdout
    return directory


@pytest.fixture(scope="module")
def figures(written: Path) -> Any:
    return json.loads((written / "search.json").read_text("utf-8"))


def test_the_file_names_the_machine_and_the_versions(figures: Any) -> None:
    assert figures["machine"]["cores"] >= 1
    assert {"python", "numpy"} <= figures["machine"]["versions"].keys()
    assert figures["machine"]["isa"] in figures["machine"]["isas"]


def test_every_row_compares_ours_with_the_fastest_exact_peer(figures: Any) -> None:
    (case,) = figures["cases"]
    assert [batch["num_queries"] for batch in case["batches"]] == [1, 32]
    for batch in case["batches"]:
        ours, numpy = batch["rows"]
        assert (ours["ours"], numpy["name"], numpy["speed"]) == (True, "numpy", 1.0)
        assert ours["speed"] == pytest.approx(numpy["median_s"] / ours["median_s"])


def test_the_peer_finds_the_same_items_as_ours(figures: Any) -> None:
    assert [row["agreement"] for batch in figures["cases"][0]["batches"] for row in batch["rows"]] == [1.0] * 4
    assert [row["agreement"] for row in figures["selection"]] == [1.0] * 2


def test_a_wrong_or_repeated_item_is_no_agreement_but_an_equal_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(KERNELS))
    agreement = importlib.import_module("benchmarks.agreement").agreement
    vectors_ND, query_QD = np.array([[4], [3], [3], [2]], np.float32), np.ones((1, 1), np.float32)

    def agrees(theirs: list[int]) -> float:
        return float(agreement(vectors_ND, query_QD, np.array([[0, 1]]), np.array([theirs])))

    assert (agrees([0, 1]), agrees([2, 0])) == (1.0, 1.0)
    assert (agrees([0, 3]), agrees([0, 0]), agrees([3, 3])) == (0.5, 0.5, 0.0)


def test_one_query_is_compared_with_the_read_bandwidth(figures: Any) -> None:
    single, batch = figures["cases"][0]["batches"]
    fastest_s = min(row["median_s"] for row in single["rows"] if row["ours"])
    assert single["bandwidth_share"] == pytest.approx(20_000 * 64 / fastest_s / single["probe_bytes_per_s"])
    assert batch["bandwidth_share"] is None


def test_filters_changes_and_memory_are_measured(figures: Any) -> None:
    (case,) = figures["cases"]
    assert [variant["plain_ratio"] for variant in case["variants"] if variant["name"] == "plain"] == [1.0, 1.0]
    assert len(case["variants"]) == 10
    assert {change["name"] for change in case["changes"]} == {"add", "remove", "update"}
    assert case["memory"]["index_ratio"] >= 1


@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason="`make bench` installs matplotlib")
def test_the_picture_is_drawn(written: Path) -> None:
    assert (written / "search.png").read_bytes().startswith(PNG)
