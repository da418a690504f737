"""OnnxModel: whoever shares the batch, a row's answer keeps its bits; and what does not fit is refused at load."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from shortlist_server.errors import PackageError
from shortlist_server.inference import OnnxModel
from shortlist_server.inference.spec import ModelSpec

LENGTH, DIM, NUM_ITEMS = 11, 24, 100
ROWS_PER_RUN = 4


def spec(**changes: Any) -> ModelSpec:
    sound: dict[str, Any] = {
        "role": "encoder",
        "path": "models/encoder/model.onnx",
        "inputs": [{"name": "items", "feature": "history.items", "dtype": "int64", "shape": ("batch", LENGTH)}],
        "outputs": [{"name": "encoded", "dtype": "float32", "shape": ("batch", DIM)}],
    }
    parsed = sound | changes
    return ModelSpec.model_validate(
        parsed | {key: tuple(parsed[key]) for key in ("inputs", "outputs")},
    )


def save(path: Path, nodes: list[Any], constants: dict[str, NDArray[Any]]) -> None:
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    inputs = [helper.make_tensor_value_info("items", TensorProto.INT64, ["batch", LENGTH])]
    outputs = [helper.make_tensor_value_info("encoded", TensorProto.FLOAT, ["batch", DIM])]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def weights(*names: str) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(3)
    made: dict[str, NDArray[Any]] = {"embeddings": random.standard_normal((NUM_ITEMS + 1, DIM)).astype(np.float32)}
    for name in names:
        made[name] = (random.standard_normal((DIM, DIM)) / np.sqrt(DIM)).astype(np.float32)
    return made


def save_attention(path: Path) -> None:
    """Embedding, layer norm, masked self-attention, a gelu and exp layer, mean over positions."""
    node = helper.make_node
    nodes = [
        node("Gather", ["embeddings", "items"], ["embedded"]),
        node("LayerNormalization", ["embedded", "scale", "shift"], ["normed"]),
        node("MatMul", ["normed", "query_weights"], ["query"]),
        node("MatMul", ["normed", "key_weights"], ["key"]),
        node("MatMul", ["normed", "value_weights"], ["value"]),
        node("Transpose", ["key"], ["key_turned"], perm=[0, 2, 1]),
        node("MatMul", ["query", "key_turned"], ["affinity"]),
        node("Equal", ["items", "zero"], ["padding"]),
        node("Cast", ["padding"], ["padding_float"], to=TensorProto.FLOAT),
        node("Mul", ["padding_float", "very_negative"], ["penalty"]),
        node("Unsqueeze", ["penalty", "axis_1"], ["penalty_row"]),
        node("Add", ["affinity", "penalty_row"], ["masked"]),
        node("Softmax", ["masked"], ["attention"], axis=-1),
        node("MatMul", ["attention", "value"], ["mixed"]),
        node("MatMul", ["mixed", "layer_weights"], ["layer"]),
        node("Gelu", ["layer"], ["activated"]),
        node("Exp", ["activated"], ["grown"]),
        node("ReduceMean", ["grown", "axis_1"], ["encoded"], keepdims=0),
    ]
    constants = weights("query_weights", "key_weights", "value_weights", "layer_weights") | {
        "scale": np.ones(DIM, np.float32),
        "shift": np.zeros(DIM, np.float32),
        "zero": np.array(0, np.int64),
        "very_negative": np.array(-1e9, np.float32),
        "axis_1": np.array([1], np.int64),
    }
    save(path, nodes, constants)


def save_batch_norm(path: Path) -> None:
    """A graph that breaks the promise: every row is divided by the largest number of its batch."""
    node = helper.make_node
    nodes = [
        node("Gather", ["embeddings", "items"], ["embedded"]),
        node("ReduceMean", ["embedded", "axis_1"], ["mean"], keepdims=0),
        node("ReduceMax", ["mean"], ["largest"], keepdims=0),
        node("Div", ["mean", "largest"], ["encoded"]),
    ]
    save(path, nodes, weights() | {"axis_1": np.array([1], np.int64)})


@pytest.fixture(scope="module")
def attention_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("encoder") / "model.onnx"
    save_attention(path)
    return path


@pytest.fixture(scope="module")
def attention(attention_file: Path) -> OnnxModel:
    model = OnnxModel(attention_file, spec(), ROWS_PER_RUN)
    model.warm_up(NUM_ITEMS, 1)
    assert model.rows_per_run == ROWS_PER_RUN
    return model


def histories(seed: int, num_rows: int) -> NDArray[np.int64]:
    random = np.random.default_rng(seed)
    items = random.integers(0, NUM_ITEMS + 1, (num_rows, LENGTH), dtype=np.int64)
    items[np.arange(LENGTH) < random.integers(0, LENGTH, (num_rows, 1))] = 0
    return items


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), num_rows=st.integers(1, 13), position=st.integers(0, 12))
def test_a_row_has_the_same_bits_alone_and_anywhere_in_a_batch(
    attention: OnnxModel, seed: int, num_rows: int, position: int
) -> None:
    items = histories(seed, num_rows)
    row = position % num_rows
    together = attention.run({"items": items})["encoded"]
    alone = attention.run({"items": items[row : row + 1]})["encoded"]
    assert together.shape == (num_rows, DIM)
    assert together[row].tobytes() == alone[0].tobytes()


def test_onnxruntime_itself_does_not_promise_that(attention_file: Path) -> None:
    """Why the fixed shape exists: were this ever to fail, it could go."""
    items = histories(1, 64)
    lone, wide = (OnnxModel(attention_file, spec(), rows).run({"items": items})["encoded"] for rows in (1, 64))
    np.testing.assert_allclose(lone, wide, rtol=1e-4)
    if np.array_equal(lone, wide):
        pytest.skip("on this processor onnxruntime rounds a lone row as it does a batch")


def test_threads_share_a_model(attention: OnnxModel) -> None:
    batches = [histories(seed, 6) for seed in range(8)]
    wanted = [attention.run({"items": items})["encoded"].tobytes() for items in batches]
    found: dict[int, set[bytes]] = {number: set() for number in range(len(batches))}

    def work(number: int) -> None:
        for _ in range(10):
            found[number].add(attention.run({"items": batches[number]})["encoded"].tobytes())

    threads = [threading.Thread(target=work, args=(number,)) for number in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(len(batches))] == [{answer} for answer in wanted]


def test_no_rows_give_no_rows(attention: OnnxModel) -> None:
    encoded = attention.run({"items": np.empty((0, LENGTH), np.int64)})["encoded"]
    assert encoded.shape == (0, DIM)
    assert encoded.dtype == np.float32


def test_rows_that_disturb_each_other_run_one_by_one(tmp_path: Path) -> None:
    save_batch_norm(tmp_path / "model.onnx")
    model = OnnxModel(tmp_path / "model.onnx", spec(), ROWS_PER_RUN)
    model.warm_up(NUM_ITEMS, 1)
    assert model.rows_per_run == 1
    items = histories(5, 3)
    together = model.run({"items": items})["encoded"]
    assert together[1].tobytes() == model.run({"items": items[1:2]})["encoded"][0].tobytes()


def test_the_cpu_runs_it_unless_cuda_is_asked_for_and_there(attention: OnnxModel) -> None:
    assert attention.provider == "CPUExecutionProvider"


def test_asking_for_cuda_gives_an_answer_with_or_without_a_device(attention_file: Path, attention: OnnxModel) -> None:
    model = OnnxModel(attention_file, spec(), ROWS_PER_RUN, device="cuda")
    assert model.provider in ("CUDAExecutionProvider", "CPUExecutionProvider")
    items = histories(9, 6)
    asked, default = (one.run({"items": items})["encoded"] for one in (model, attention))
    np.testing.assert_allclose(asked, default, rtol=1e-3)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"inputs \[\], wanted \['items'\]"),
        ({"items": np.zeros((1, LENGTH), np.int32)}, r"'items' is int32 \[1, 11\], wanted int64 \[1, 11\]"),
        ({"items": np.zeros((1, LENGTH, 1), np.int64)}, r"'items' is int64 \[1, 11, 1\]"),
        ({"items": np.zeros((2, LENGTH), np.int64), "more": np.zeros(1)}, r"inputs \['items', 'more'\]"),
    ],
)
def test_inputs_that_do_not_fit_are_named(attention: OnnxModel, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attention.run(inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"inputs": [{"name": "ids", "feature": "history.items", "dtype": "int64", "shape": ("batch", LENGTH)}]},
            r"the graph has inputs \['items'\], the manifest \['ids'\]",
        ),
        (
            {"inputs": [{"name": "items", "feature": "history.items", "dtype": "int64", "shape": ("batch", 12)}]},
            r"input 'items' is int64 \['batch', 11\] in the graph, int64 \['batch', 12\] in the manifest",
        ),
        (
            {"outputs": [{"name": "encoded", "dtype": "int64", "shape": ("batch", DIM)}]},
            "output 'encoded' is float32",
        ),
        (
            {"outputs": [{"name": "encoded", "dtype": "float32", "shape": ("batch",)}]},
            r"in the graph, float32 \['batch'\] in the manifest",
        ),
    ],
)
def test_a_graph_that_differs_from_its_spec_is_refused(
    attention_file: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(PackageError, match=message):
        OnnxModel(attention_file, spec(**changes), ROWS_PER_RUN)


def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x09 no model at all\n\n")
    with pytest.raises(PackageError, match=r"^models/encoder/model.onnx: not a model") as refusal:
        OnnxModel(tmp_path / "model.onnx", spec(), ROWS_PER_RUN)
    assert "\n" not in str(refusal.value)


def test_a_graph_that_cannot_run_is_found_at_warm_up(attention_file: Path) -> None:
    model = OnnxModel(attention_file, spec(), ROWS_PER_RUN)
    with pytest.raises(PackageError, match=r"^models/encoder/model.onnx: does not run"):
        model.warm_up(num_items=100 * NUM_ITEMS, num_candidates=1)


def test_a_graph_cannot_read_weights_from_outside_its_folder(tmp_path: Path) -> None:
    save_attention(tmp_path / "plain.onnx")
    model = onnx.load(tmp_path / "plain.onnx")
    (tmp_path / "secret.bin").write_bytes(b"\0" * (NUM_ITEMS + 1) * DIM * 4)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "embeddings")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(PackageError):
        OnnxModel(tmp_path / "inside/model.onnx", spec(), ROWS_PER_RUN)


def test_onnxruntime_keeps_and_sends_no_record_of_its_use(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", "import shortlist_server.inference"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
