"""From a data directory to a package, through the real command."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest

from shortlist_training.data.dataset import build_dataset
from shortlist_training.data.reader import read_directory
from shortlist_training.evaluate import evaluate
from shortlist_training.golden import golden_requests
from shortlist_training.package import read_package, verify
from tests.demo_run import PLAIN_TERMINAL, run_shortlist
from tests.processes import start_process
from tests.training.conftest import Trained
from tests.training.runner import one_line_error
from tests.training.shop import ITEMS_PER_KIND, KINDS


def test_the_package_holds_every_file_of_the_format(trained: Trained) -> None:
    manifest = verify(trained.package)
    listed = {entry["path"] for entry in manifest["files"]}
    present = {p.relative_to(trained.package).as_posix() for p in trained.package.rglob("*") if p.is_file()}
    assert present == listed | {"manifest.json"}
    assert listed == {
        "items.parquet",
        "models/user_tower/model.onnx",
        "models/ranker/model.onnx",
        "vectors/two_tower.npy",
        "neighbours/item_neighbours.npz",
        "golden.json",
        "statistics.json",
    }
    assert [source["name"] for source in manifest["sources"]] == ["two_tower", "item_neighbours", "popular"]
    assert sum(source["weight"] for source in manifest["sources"]) == pytest.approx(1)
    assert manifest["ranker"] == {"model": "ranker", "heads": [{"name": "purchase", "weight": 1.0}]}
    assert manifest["evaluation"][0]["protocol"]["window"] == "validation"
    assert list(trained.package.parent.glob(".*")) == [], "no draft is left behind"


def test_the_tables_of_the_package_fit_each_other(trained: Trained) -> None:
    package = read_package(trained.package)
    num_items = len(KINDS) * ITEMS_PER_KIND
    assert package.items["item_id"].to_list() == sorted(package.items["item_id"].to_list())
    assert package.items.schema["categories"] == pl.List(pl.String)
    assert package.items["categories"].to_list()[0][0] == "home"
    assert (package.items["popularity"] >= 0).all()
    vectors = package.vectors("two_tower")
    assert vectors.dtype == np.float32
    assert vectors.shape == (num_items, 64)
    assert vectors.flags.c_contiguous
    neighbours = package.neighbours("item_neighbours")
    owners = np.repeat(np.arange(num_items), np.diff(neighbours.indptr))
    assert (neighbours.indices != owners).all()
    assert (np.diff(neighbours.data)[np.diff(owners) == 0] <= 0).all(), "best neighbours first"


def test_training_shows_progress_choices_and_parity(trained: Trained) -> None:
    assert "two_tower-before-3 epoch 1/12: loss" in trained.output
    assert "validation NDCG" in trained.output
    assert "fusion: two_tower" in trained.output
    parity = [line for line in trained.output.splitlines() if "largest difference" in line]
    assert len(parity) == 2
    assert all(float(line.rsplit(maxsplit=1)[1]) <= 1e-4 for line in parity)
    assert list(trained.logs.rglob("events.out.tfevents.*")), "TensorBoard logs"


def test_the_graphs_are_plain_onnx_with_free_batch_and_candidates(trained: Trained) -> None:
    for role in ("user_tower", "ranker"):
        onnx.checker.check_model(trained.package / "models" / role / "model.onnx", full_check=True)
    ranker = onnxruntime.InferenceSession(
        trained.package / "models/ranker/model.onnx", providers=["CPUExecutionProvider"]
    )
    for batch, candidates in ((1, 7), (3, 1)):
        inputs = {
            "history_items": np.ones((batch, 50), dtype=np.int64),
            "history_recency_days": np.zeros((batch, 50), dtype=np.float32),
            "candidate_items": np.ones((batch, candidates), dtype=np.int64),
            "retrieval_scores": np.zeros((batch, candidates, 3), dtype=np.float32),
        }
        (probabilities,) = ranker.run(None, inputs)
        assert probabilities.shape == (batch, candidates, 1)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_the_funnel_and_the_models_beat_popularity_on_the_test_period(trained: Trained) -> None:
    dataset = build_dataset(read_directory(trained.data))
    report = evaluate(read_package(trained.package), dataset, protocol="global_time", cutoff=10, seed=0)
    quality = {scorer: metrics["ndcg@10"] for scorer, metrics in report.results.items()}
    assert quality["item_neighbours"] > 3 * quality["popular"]
    assert quality["two_tower"] > 3 * quality["popular"]
    assert quality["funnel"] > 3 * quality["popular"]
    assert report.comparison.low <= report.comparison.difference <= report.comparison.high
    assert report.num_unknown_targets == 0
    assert report.num_users > 10


def test_golden_requests_hold_a_cold_start_and_are_reproduced_from_the_files(trained: Trained) -> None:
    golden = json.loads((trained.package / "golden.json").read_text("utf-8"))
    first = golden["requests"][0]
    assert first["history"] == []
    assert first["sources"]["two_tower"]["item_ids"] == first["sources"]["item_neighbours"]["item_ids"] == []
    assert first["ranked"] == first["fused"]
    assert len(first["fused"]["item_ids"]) == 10
    for request in golden["requests"]:
        seen = {event["item_id"] for event in request["history"]}
        for answer in (*request["sources"].values(), request["fused"], request["ranked"]):
            assert not seen & set(answer["item_ids"])
            assert answer["scores"] == sorted(answer["scores"], reverse=True)
    package = read_package(trained.package)
    dataset = build_dataset(read_directory(trained.data))
    assert golden_requests(package, dataset, package.manifest["data"]["train_until"]) == golden


def test_a_run_killed_in_mid_training_resumes_to_the_same_bits(trained: Trained, tmp_path: Path) -> None:
    arguments = ("train", "--data", str(trained.data), "--out", str(tmp_path / "package"))
    assert _stop_at("two_tower-before-2 epoch 2/4", signal.SIGKILL, *arguments) == (-signal.SIGKILL, "")
    assert not (tmp_path / "package").exists()
    resumed = run_shortlist(*arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "two_tower-before-3: done before, loaded" in resumed.stdout
    assert "two_tower-before-2 epoch 1/4" not in resumed.stdout
    for name in ("vectors/two_tower.npy", "neighbours/item_neighbours.npz", "golden.json", "items.parquet"):
        assert (tmp_path / "package" / name).read_bytes() == (trained.package / name).read_bytes(), name


def test_ctrl_c_in_mid_training_ends_with_130_and_says_how_to_go_on(trained: Trained, tmp_path: Path) -> None:
    arguments = ("train", "--data", str(trained.data), "--out", str(tmp_path / "package"))
    stopped = _stop_at("two_tower-before-3 epoch 1/12", signal.SIGINT, *arguments)
    assert stopped == (130, "interrupted: go on with --resume\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "package.training"]


def _stop_at(line_start: str, number: signal.Signals, *arguments: str) -> tuple[int, str]:
    """Send the signal when the run prints that line; the exit code and what stood on stderr behind the notes."""
    process = start_process([sys.executable, "-m", "shortlist.cli", *arguments], env=os.environ | PLAIN_TERMINAL)
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if line_start in line:
                process.send_signal(number)
                break
        _, errors = process.communicate()
    return process.returncode, errors


def test_a_run_is_not_resumed_with_another_seed(trained: Trained) -> None:
    arguments = ("--data", str(trained.data), "--out", str(trained.package), "--seed", "1", "--resume")
    assert "the run there was made with another seed" in one_line_error("train", *arguments)
