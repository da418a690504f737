"""From a data directory to a package, through the real command."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from shortlist.package import layout, read_golden
from shortlist.package.arrays import open_sparse
from shortlist_kernels import VectorIndex, isa_info
from shortlist_training.data.dataset import build_dataset
from shortlist_training.data.reader import read_directory
from shortlist_training.evaluation.evaluate import evaluate
from shortlist_training.golden import golden_requests
from shortlist_training.open_package import open_package
from shortlist_training.protocols import find_protocol
from tests.demo_run import PLAIN_TERMINAL, run_shortlist
from tests.processes import start_process
from tests.training.conftest import Trained
from tests.training.runner import one_line_error
from tests.training.shop import ITEMS_PER_KIND, KINDS


def test_the_package_holds_every_file_of_the_format_and_says_how_it_came_about(trained: Trained) -> None:
    package = open_package(trained.package)
    entry = package.manifest
    listed = {file.path for file in entry.files}
    present = {p.relative_to(trained.package).as_posix() for p in trained.package.rglob("*") if p.is_file()}
    assert present == listed | {"manifest.json"}
    assert {
        "models/two_tower/model.onnx",
        "models/ranker/model.onnx",
        "vectors/two_tower.index",
        "vectors/two_tower.text.index",
        "matrices/item_neighbours/indptr.npy",
        "scores/popular.npy",
        "golden.json",
        *layout.item_files(),
    } <= listed
    assert [source.name for source in entry.sources] == ["two_tower", "item_neighbours", "popular"]
    assert sum(source.weight for source in entry.sources) == pytest.approx(1)
    assert [(head.name, head.weight) for head in entry.ranker.heads] == [("purchase", 1.0)]
    assert entry.fallback_source == "popular"
    assert entry.rerank.space == "two_tower"
    assert entry.evaluations[0].protocol == "global_time"
    assert all(source.training.fields["settings"].struct_value.fields for source in entry.sources)
    assert entry.training.recipe == "hybrid"
    assert entry.training.seconds > 0
    assert {"torch", "numpy"} <= {library.name for library in entry.training.libraries}
    assert entry.training.instruction_set == isa_info()["isa"]
    assert entry.data.fingerprint.startswith("sha256:")
    assert list(trained.package.parent.glob(".*")) == [], "no draft is left behind"


def test_the_tables_of_the_package_fit_each_other(trained: Trained) -> None:
    package = open_package(trained.package)
    num_items = len(KINDS) * ITEMS_PER_KIND
    ids = package.item_ids.take(range(num_items))
    assert ids == sorted(ids)
    index = VectorIndex.load(trained.package / "vectors/two_tower.index")
    assert (len(index), index.dim) == (num_items, 64)
    matrix = open_sparse(trained.package, layout.matrix_folder("item_neighbours"), num_items, num_items)
    owners = np.repeat(np.arange(num_items), np.diff(matrix.indptr))
    assert (matrix.indices != owners).all()
    assert (np.diff(matrix.data)[np.diff(owners) == 0] <= 0).all(), "best neighbours first"


def test_training_shows_progress_choices_and_parity(trained: Trained) -> None:
    assert "two_tower-before-3 epoch 1/12: loss" in trained.output
    assert "validation NDCG" in trained.output
    assert "fusion: two_tower" in trained.output
    parity = [line for line in trained.output.splitlines() if "largest difference" in line]
    assert len(parity) == 2
    assert all(float(line.rsplit(maxsplit=1)[1]) <= 1e-4 for line in parity)
    assert list(trained.logs.rglob("events.out.tfevents.*")), "TensorBoard logs"


def test_the_graphs_are_plain_onnx_without_tables_and_free_in_batch_and_candidates(trained: Trained) -> None:
    for name in ("two_tower", "ranker"):
        file = trained.package / "models" / name / "model.onnx"
        onnx.checker.check_model(file, full_check=True)
        assert file.stat().st_size < 200_000, "vectors are inputs of a graph, never tables inside it"
    file = trained.package / "models/ranker/model.onnx"
    ranker = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    types = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
    for batch, candidates in ((1, 7), (3, 1)):
        sizes = {"batch": batch, "candidates": candidates}
        inputs = {
            tensor.name: np.ones([sizes.get(axis, axis) for axis in tensor.shape], types[tensor.type])
            for tensor in ranker.get_inputs()
        }
        (probabilities,) = ranker.run(None, inputs)
        assert probabilities.shape == (batch, candidates, 1)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_the_funnel_and_the_models_beat_popularity_on_the_test_period(trained: Trained) -> None:
    dataset = build_dataset(read_directory(trained.data))
    report = evaluate(open_package(trained.package), dataset, find_protocol("global_time"), cutoff=10, seed=0)
    quality = {scorer: metrics["ndcg@10"] for scorer, metrics in report.results.items()}
    assert quality["item_neighbours"] > 3 * quality["popular"]
    assert quality["two_tower"] > 3 * quality["popular"]
    assert quality["funnel"] > 3 * quality["popular"]
    assert report.comparison.low <= report.comparison.difference <= report.comparison.high
    assert report.num_unknown_targets == 0
    assert report.num_users > 10


def test_golden_requests_hold_a_cold_start_and_are_reproduced_from_the_files(trained: Trained) -> None:
    golden = read_golden(trained.package)
    first = golden.requests[0]
    assert not first.history
    assert {one.name: len(one.list.item_ids) for one in first.sources} == {
        "two_tower": 0,
        "item_neighbours": 0,
        "popular": 10,
    }
    assert first.ranked == first.fused
    assert len(first.fused.item_ids) == 10
    for request in golden.requests:
        seen = {event.item_id for event in request.history}
        for answer in (*(one.list for one in request.sources), request.fused, request.ranked):
            assert not seen & set(answer.item_ids)
            assert list(answer.scores) == sorted(answer.scores, reverse=True)
    package = open_package(trained.package)
    dataset = build_dataset(read_directory(trained.data))
    assert golden_requests(package, dataset.before(package.manifest.data.train_until)) == golden


def test_a_run_killed_in_mid_training_resumes_to_the_same_bits(trained: Trained, tmp_path: Path) -> None:
    arguments = ("train", "--data", str(trained.data), "--out", str(tmp_path / "package"))
    assert _stop_at("two_tower-before-2 epoch 2/4", signal.SIGKILL, *arguments) == (-signal.SIGKILL, "")
    assert not (tmp_path / "package").exists()
    resumed = run_shortlist(*arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "two_tower-before-3: done before, loaded" in resumed.stdout
    assert "two_tower-before-2 epoch 1/4" not in resumed.stdout
    for name in ("vectors/two_tower.index", "matrices/item_neighbours/data.npy", "golden.json", "items/numeric.npy"):
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
