"""OnnxSession: any graph of any types runs; and what is no graph, or is not whole, is refused in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from shortlist.package import PackageError
from shortlist_server.inference import session as session_module
from shortlist_server.inference.session import OnnxSession, TensorInfo

node = helper.make_node
DIM = 1000  # onnxruntime treats weights of a few bytes in another way
FLOATS = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", DIM])
OF_A_BRANCH = helper.make_tensor_value_info("b", TensorProto.FLOAT, [DIM])
SUM = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", DIM])


def model_of(
    nodes: Sequence[onnx.NodeProto],
    weights: Sequence[onnx.TensorProto] = (),
    inputs: Sequence[onnx.ValueInfoProto] = (FLOATS,),
    outputs: Sequence[onnx.ValueInfoProto] = (SUM,),
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def save(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def adds(tmp_path: Path) -> Path:
    """y = x + weights, with weights 0, 1, 2, ..."""
    weights = numpy_helper.from_array(np.arange(DIM, dtype=np.float32), "weights")
    return save(tmp_path / "adds.onnx", model_of([node("Add", ["x", "weights"], ["y"])], [weights]))


def test_a_graph_describes_itself_and_runs(adds: Path) -> None:
    session = OnnxSession(adds, "adds")
    assert session.inputs == (TensorInfo("x", "float32", ("batch", DIM)),)
    assert session.outputs == (TensorInfo("y", "float32", ("batch", DIM)),)
    assert session.provider == "CPUExecutionProvider"
    (y,) = session.run(["y"], {"x": np.ones((2, DIM), np.float32)})
    np.testing.assert_array_equal(y, np.tile(np.arange(1, DIM + 1, dtype=np.float32), (2, 1)))


def test_types_have_the_names_that_numpy_gives_them(tmp_path: Path) -> None:
    dtypes = {
        "bool": TensorProto.BOOL,
        "float16": TensorProto.FLOAT16,
        "float32": TensorProto.FLOAT,
        "float64": TensorProto.DOUBLE,
        "int8": TensorProto.INT8,
        "int16": TensorProto.INT16,
        "int32": TensorProto.INT32,
        "int64": TensorProto.INT64,
        "uint8": TensorProto.UINT8,
        "uint16": TensorProto.UINT16,
        "uint32": TensorProto.UINT32,
        "uint64": TensorProto.UINT64,
        "object": TensorProto.STRING,
    }
    tensors = [
        [helper.make_tensor_value_info(f"{name}_{end}", kind, ["batch", None, 3]) for name, kind in dtypes.items()]
        for end in ("in", "out")
    ]
    nodes = [node("Identity", [f"{name}_in"], [f"{name}_out"]) for name in dtypes]
    session = OnnxSession(save(tmp_path / "m.onnx", model_of(nodes, (), *tensors)), "types")
    assert [tensor.dtype for tensor in session.inputs] == list(dtypes)
    assert {tensor.shape for tensor in session.inputs} == {("batch", "?", 3)}
    feed = {f"{name}_in": np.array([[["1", "0", "1"]]]).astype(np.int8).astype(name) for name in dtypes}
    feed["object_in"] = np.array([[["a", "", "ü"]]], dtype=object)
    outputs = session.run([f"{name}_out" for name in dtypes], feed)
    assert [str(output.dtype) for output in outputs] == list(dtypes)
    for output, fed in zip(outputs, feed.values(), strict=True):
        np.testing.assert_array_equal(output, fed)


def test_a_type_that_numpy_lacks_keeps_its_own_name(tmp_path: Path) -> None:
    tensors = [[helper.make_tensor_value_info(name, TensorProto.BFLOAT16, [2])] for name in "xy"]
    session = OnnxSession(save(tmp_path / "m.onnx", model_of([node("Identity", ["x"], ["y"])], (), *tensors)), "types")
    assert session.inputs == (TensorInfo("x", "tensor(bfloat16)", (2,)),)


def test_asked_outputs_come_in_the_asked_order(tmp_path: Path) -> None:
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", DIM]) for name in ("sine", "cosine")]
    nodes = [node("Sin", ["x"], ["sine"]), node("Cos", ["x"], ["cosine"])]
    session = OnnxSession(save(tmp_path / "m.onnx", model_of(nodes, (), (FLOATS,), outputs)), "waves")
    cosine, sine = session.run(["cosine", "sine"], {"x": np.zeros((1, DIM), np.float32)})
    assert (cosine[0, 0], sine[0, 0]) == (1, 0)


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ({}, "^adds: .*x.* missing"),
        ({"x": np.zeros((1, DIM), np.int64)}, "^adds: .*tensor.int64.*expected: .tensor.float"),
        ({"x": np.zeros((1, 2), np.float32)}, "^adds: .*Got: 2 Expected: 1000"),
        ({"x": np.zeros((1, DIM), np.float32), "more": np.zeros(1)}, "^adds: .*more"),
    ],
)
def test_a_run_that_fails_names_the_graph(adds: Path, feed: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(RuntimeError, match=message) as failure:
        OnnxSession(adds, "adds").run(["y"], feed)
    assert "\n" not in str(failure.value)


def test_threads_share_a_session(adds: Path) -> None:
    session = OnnxSession(adds, "adds", num_threads=2)
    found: list[set[float]] = [set() for _ in range(8)]

    def work(number: int) -> None:
        for _ in range(10):
            (y,) = session.run(["y"], {"x": np.full((3, DIM), number, np.float32)})
            found[number].update(y[:, 0].tolist())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{float(number)} for number in range(len(found))]


def test_asking_for_cuda_gives_an_answer_with_or_without_a_device(adds: Path) -> None:
    session = OnnxSession(adds, "adds", device="cuda")
    assert session.provider in ("CUDAExecutionProvider", "CPUExecutionProvider")
    (y,) = session.run(["y"], {"x": np.zeros((1, DIM), np.float32)})
    assert y[0].tolist() == list(range(DIM))


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\x08\x09 no model at all\n\n", bytes(100), b"\x18\0\0\0ORTM" + bytes(100)]
)
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(PackageError, match=r"^models/a/model.onnx: not a model that onnxruntime can run: ") as refusal:
        OnnxSession(tmp_path / "model.onnx", "models/a/model.onnx")
    assert "\n" not in str(refusal.value)


def test_a_model_of_an_unknown_operator_is_refused(tmp_path: Path) -> None:
    file = save(tmp_path / "model.onnx", model_of([node("Summon", ["x"], ["y"])]))
    with pytest.raises(PackageError, match="Summon"):
        OnnxSession(file, "model")


def test_a_missing_file_and_a_directory_are_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(PackageError, match=r"^model: is no file$"):
            OnnxSession(path, "model")


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("QQQQ", TensorProto.FLOAT, None)
    model = model_of([node("Identity", ["x"], ["QQQQ"])], (), (FLOATS,), [output])
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString().replace(b"QQQQ", b"\xff\xfe\xff\xfe"))
    with pytest.raises(PackageError, match="UTF-8"):
        OnnxSession(tmp_path / "model.onnx", "model")


def test_a_graph_above_the_largest_size_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "model.onnx").open("wb") as file:
        file.truncate(session_module.MAX_FILE_BYTES + 1)
    with pytest.raises(PackageError, match=r"^model: 536870913 bytes: a graph has at most 512 MiB$"):
        OnnxSession(tmp_path / "model.onnx", "model")


def external(location: str) -> onnx.TensorProto:
    """The weights of a graph, which lie in another file."""
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[DIM], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", str(4 * DIM))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def as_initializer(tensor: onnx.TensorProto) -> onnx.ModelProto:
    return model_of([node("Add", ["x", "weights"], ["y"])], [tensor])


def as_constant(tensor: onnx.TensorProto) -> onnx.ModelProto:
    return model_of([node("Constant", [], ["weights"], value=tensor), node("Add", ["x", "weights"], ["y"])])


def in_a_branch(tensor: onnx.TensorProto) -> onnx.ModelProto:
    branch = helper.make_graph([node("Identity", ["weights"], ["b"])], "branch", [], [OF_A_BRANCH], [tensor])
    return model_of(
        [
            node("ReduceMax", ["x"], ["largest"], keepdims=0),
            node("Cast", ["largest"], ["condition"], to=TensorProto.BOOL),
            node("If", ["condition"], ["chosen"], then_branch=branch, else_branch=branch),
            node("Add", ["x", "chosen"], ["y"]),
        ]
    )


@pytest.mark.parametrize("place", [as_initializer, as_constant, in_a_branch])
@pytest.mark.parametrize("location", ["weights.bin", "./weights.bin", "../weights.bin", "/etc/passwd", "nothing.bin"])
def test_external_data_is_refused_wherever_it_lies(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Callable[[onnx.TensorProto], onnx.ModelProto],
    location: str,
) -> None:
    """The file is beside the graph, above it, and in the working directory, where onnxruntime looks by itself."""
    inside = tmp_path / "inside"
    inside.mkdir()
    for directory in (tmp_path, inside):
        (directory / "weights.bin").write_bytes(bytes(4 * DIM))
    monkeypatch.chdir(inside)
    file = save(inside / "model.onnx", place(external(location)))
    with pytest.raises(PackageError) as refusal:
        OnnxSession(file, "model")
    assert str(refusal.value) == "model: names external data, a graph holds all of its own"


def test_weights_elsewhere_in_memory_are_refused(tmp_path: Path) -> None:
    """onnxruntime's own mark of a tensor whose "offset" is an address of this process."""
    file = save(tmp_path / "model.onnx", as_initializer(external("*/_ORT_MEM_ADDR_/*")))
    with pytest.raises(PackageError, match=r"^model: names external data"):
        OnnxSession(file, "model")


def test_onnxruntime_keeps_and_sends_no_record_of_its_use(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", "import shortlist_server.inference.session"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
