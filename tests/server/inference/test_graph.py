"""Graph: whoever shares the batch, a row's answer keeps its bits; and what does not fit its features is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from shortlist.package import PackageError
from shortlist.package.layout import graph_file
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_server.inference.graph import Graph, Sizes, graphs_of

LENGTH, DIM, ROWS = 7, 24, 4
SIZES = Sizes(dimensions={"s": DIM}, num_items=50, num_sources=3, num_candidates=6)
ENTRY = manifest.Graph(
    inputs=[
        manifest.GraphInput(name="items", feature="history.items"),
        manifest.GraphInput(name="vectors", feature="history.vectors:s"),
    ],
    output="encoded",
    max_history=LENGTH,
)


def encoder(kind: str = "sound", output: int = TensorProto.FLOAT, batch: Any = "batch") -> bytes:
    """The history's vectors through a matrix; "mixing" adds the mean over the batch to every row."""
    node, value = helper.make_node, helper.make_tensor_value_info
    weights = np.random.default_rng(0).standard_normal((DIM, DIM)).astype(np.float32)
    nodes = [
        node("Cast", ["items"], ["marks"], to=TensorProto.FLOAT),
        node("ReduceSum", ["marks", "axis_1"], ["count"], keepdims=1),
        node("ReduceSum", ["vectors", "axis_1"], ["sum"], keepdims=0),
        node("MatMul", ["sum", "weights"], ["hidden"]),
        node("Add", ["hidden", "count"], ["plain"]),
        node("ReduceMean", ["plain", "axis_0"], ["mean"], keepdims=1),
        node("Add", ["plain", "mean"], ["encoded"]) if kind == "mixing" else node("Tanh", ["plain"], ["encoded"]),
    ]
    constants: dict[str, Any] = {
        "axis_0": np.array([0], np.int64),
        "axis_1": np.array([1], np.int64),
        "weights": weights,
    }
    graph = helper.make_graph(
        nodes,
        "encoder",
        [
            value("items", TensorProto.INT64, [batch, LENGTH]),
            value("vectors", TensorProto.FLOAT, [batch, "length", DIM]),
        ],
        [value("encoded", output, [batch, DIM])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def open_graph(root: Path, content: bytes, entry: manifest.Graph = ENTRY, rows: int = ROWS) -> Graph:
    file = root / graph_file("encoder")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return Graph(root, "encoder", entry, SIZES, rows_per_run=rows)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    opened = open_graph(tmp_path_factory.mktemp("graph"), encoder())
    opened.warm_up()
    assert opened.rows_per_run == ROWS
    return opened


def feed_of(num_rows: int, seed: int = 3) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "items": random.integers(0, 50, (num_rows, LENGTH)),
        "vectors": random.standard_normal((num_rows, LENGTH, DIM)).astype(np.float32),
    }


@given(num_rows=st.integers(1, 13), seed=st.integers(0, 100))
def test_a_row_has_the_same_bits_alone_and_in_any_batch(graph: Graph, num_rows: int, seed: int) -> None:
    feed = feed_of(num_rows, seed)
    together = graph.run(feed)
    assert together.shape == (num_rows, DIM)
    for row in range(num_rows):
        alone = graph.run({name: array[row : row + 1] for name, array in feed.items()})
        assert alone.tobytes() == together[row : row + 1].tobytes()


def test_a_graph_whose_rows_disturb_each_other_runs_them_one_by_one(tmp_path: Path) -> None:
    mixing = open_graph(tmp_path, encoder("mixing"))
    mixing.warm_up()
    assert mixing.rows_per_run == 1
    feed = feed_of(3)
    alone = [mixing.run({name: array[row : row + 1] for name, array in feed.items()}) for row in range(3)]
    assert mixing.run(feed).tobytes() == np.concatenate(alone).tobytes()


def changed(**changes: Any) -> manifest.Graph:
    entry = manifest.Graph()
    entry.CopyFrom(ENTRY)
    for name, value in changes.items():
        if name.startswith("feature_"):
            entry.inputs[int(name[-1])].feature = value
        else:
            setattr(entry, name, value)
    return entry


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (
            changed(max_history=LENGTH + 1),
            r"input 'items' is int64 \['batch', 7\], history.items is int64 \['batch', 8\]",
        ),
        (changed(feature_0="history.recency_days"), "input 'items' is int64 .*, history.recency_days is float32"),
        (changed(feature_1="history.types"), "input 'vectors' is float32 .*, history.types is int64"),
        (changed(output="other"), "has no output 'other'; there are encoded"),
    ],
)
def test_an_entry_that_the_graph_does_not_fit_is_refused(tmp_path: Path, entry: manifest.Graph, fault: str) -> None:
    with pytest.raises(PackageError, match=rf"^models/encoder/model\.onnx: {fault}"):
        open_graph(tmp_path, encoder(), entry)


def test_inputs_that_the_manifest_does_not_name_are_refused(tmp_path: Path) -> None:
    entry = manifest.Graph(inputs=ENTRY.inputs[:1], output="encoded", max_history=LENGTH)
    with pytest.raises(PackageError, match=r"the graph has inputs \['items', 'vectors'\], the manifest \['items'\]"):
        open_graph(tmp_path, encoder(), entry)


def test_an_output_of_other_axes_is_refused(graph: Graph) -> None:
    graph.check_output(DIM)
    with pytest.raises(
        PackageError, match=r"output 'encoded' is float32 \['batch', 24\], wanted float32 \['batch', 9\]"
    ):
        graph.check_output(9)
    with pytest.raises(PackageError, match="wanted float32"):
        graph.check_output(None, None)


def test_a_graph_of_one_size_of_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"input 'items' is int64 \[3, 7\], history.items is int64 \['batch', 7\]"):
        open_graph(tmp_path, encoder(batch=3))


def test_graphs_are_found_whatever_kind_of_source_has_them() -> None:
    package = manifest.Manifest(
        sources=[
            manifest.Source(name="a", user_vector=manifest.UserVector(graph=ENTRY)),
            manifest.Source(name="b", item_scores=manifest.ItemScores()),
            manifest.Source(name="c", candidate_scorer=manifest.CandidateScorer(graph=ENTRY)),
        ],
        ranker=manifest.Ranker(graph=ENTRY),
    )
    assert list(graphs_of(package)) == ["a", "c", "ranker"]
