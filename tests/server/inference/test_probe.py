"""probe_graphs: what would hang, fill or kill the server ends in a child process, and is named."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shortlist.package import PackageError
from shortlist_server.inference import probe
from shortlist_server.inference.probe import LIMITS, ProbedGraph, ProbeInput, probe_graphs
from tests.processes import start_process

node = helper.make_node
ROWS, DIM = 2, 4
X = ProbeInput("x", "float32", (ROWS, DIM), 0)
# Long enough for the child to do everything else, short enough for a test.
SHORT = LIMITS._replace(processor_s=2)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and the limits of Linux")
TIMEOUT_S = 60


def save(
    path: Path, nodes: Sequence[onnx.NodeProto], constants: dict[str, Any] | None = None, dtype: int = TensorProto.FLOAT
) -> ProbedGraph:
    """A graph from x (batch, 4) to y, labelled with the name of its file."""
    weights = [numpy_helper.from_array(np.array(value), name) for name, value in (constants or {}).items()]
    inputs = [helper.make_tensor_value_info("x", dtype, ["batch", DIM])]
    outputs = [helper.make_tensor_value_info("y", dtype, None)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return ProbedGraph(path, path.name, (X,))


def sound(path: Path) -> ProbedGraph:
    return save(path, [node("Add", ["x", "x"], ["y"])])


def looping(path: Path, start: str = "x") -> ProbedGraph:
    """Does nothing, 1e12 times, to its input, or to a constant: that is computed while the graph loads."""
    body = helper.make_graph(
        [node("Identity", ["go_on"], ["goes_on"]), node("Identity", ["state"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    nodes = [node("Loop", ["trips", "", start], ["looped"], body=body), node("Add", ["x", "looped"], ["y"])]
    return save(path, nodes, {"trips": 10**12, "constant": np.zeros(DIM, np.float32)})


def huge(path: Path, num_elements: int) -> ProbedGraph:
    """Adds the sum of so many zeros to its input."""
    nodes = [
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("ReduceSum", ["zeros"], ["sum"]),
        node("Add", ["x", "sum"], ["y"]),
    ]
    return save(path, nodes, {"shape": [num_elements]})


def crashing(path: Path) -> ProbedGraph:
    """-2**63 / -1 traps on x86, and onnxruntime checks for zero only."""
    nodes = [
        node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        node("Sub", ["whole", "whole"], ["zeros"]),
        node("Add", ["zeros", "smallest"], ["dividend"]),
        node("Div", ["dividend", "minus_one"], ["quotient"]),
        node("Cast", ["quotient"], ["y"], to=TensorProto.FLOAT),
    ]
    return save(path, nodes, {"smallest": [-(2**63)], "minus_one": [-1]})


def test_sound_graphs_pass(tmp_path: Path) -> None:
    probe_graphs([sound(tmp_path / f"{number}.onnx") for number in range(3)])


def test_no_graphs_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nothing")
    probe_graphs([])


@pytest.mark.parametrize("start", ["x", "constant"])
def test_a_graph_that_loops_for_years_is_refused(tmp_path: Path, start: str) -> None:
    graphs = [sound(tmp_path / "first.onnx"), looping(tmp_path / "second.onnx", start), sound(tmp_path / "third.onnx")]
    with pytest.raises(PackageError) as refusal:
        probe_graphs(graphs, SHORT)
    assert str(refusal.value) == "second.onnx: does not end within 2 s of processor time"


def test_a_graph_ends_by_the_clock_too(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"^loop.onnx: does not end within 1 s$"):
        probe_graphs([looping(tmp_path / "loop.onnx")], LIMITS._replace(wall_s=1))


@LINUX
@pytest.mark.parametrize("num_elements", [10**12, 10**9])
def test_a_graph_that_takes_terabytes_is_refused(tmp_path: Path, num_elements: int) -> None:
    """Of the smaller one this machine may have the memory."""
    with pytest.raises(PackageError) as refusal:
        probe_graphs([sound(tmp_path / "first.onnx"), huge(tmp_path / "second.onnx", num_elements)])
    assert str(refusal.value) == "second.onnx: takes more than 768 MiB of memory"


@LINUX
def test_inputs_that_take_terabytes_are_refused(tmp_path: Path) -> None:
    graph = sound(tmp_path / "wide.onnx")._replace(inputs=(X._replace(shape=(10**12, DIM)),))
    with pytest.raises(PackageError, match=r"^wide.onnx: takes more than 768 MiB of memory$"):
        probe_graphs([graph])


@LINUX
def test_a_big_file_may_take_memory_for_its_copies(tmp_path: Path) -> None:
    weights = np.ones((DIM, 8 << 20), np.float32)  # 128 MiB
    nodes = [node("MatMul", ["x", "weights"], ["wide"]), node("ReduceMax", ["wide"], ["y"], keepdims=0)]
    graph = save(tmp_path / "big.onnx", nodes, {"weights": weights})
    probe_graphs([graph], LIMITS._replace(memory_mib=300))
    with pytest.raises(PackageError, match=r"^big.onnx: takes more than 384 MiB of memory$"):
        probe_graphs([graph], LIMITS._replace(memory_mib=0))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors do not trap")
def test_a_graph_that_kills_onnxruntime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError) as refusal:
        probe_graphs([sound(tmp_path / "first.onnx"), crashing(tmp_path / "second.onnx")])
    assert str(refusal.value) == "second.onnx: kills onnxruntime (SIGFPE)"


def no_model(path: Path) -> ProbedGraph:
    path.write_bytes(b"no model at all")
    return ProbedGraph(path, path.name, (X,))


def with_external_data(path: Path) -> ProbedGraph:
    graph = save(path, [node("Add", ["x", "weights"], ["y"])], {"weights": np.zeros(DIM, np.float32)})
    model = onnx.load(path)
    (weights,) = model.graph.initializer
    (path.parent / "weights.bin").write_bytes(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    path.write_bytes(model.SerializeToString())
    return graph


def of_doubles(path: Path) -> ProbedGraph:
    return save(path, [node("Add", ["x", "x"], ["y"])], dtype=TensorProto.DOUBLE)


def fed_with_another_name(path: Path) -> ProbedGraph:
    return sound(path)._replace(inputs=(X._replace(name="z"),))


def missing(path: Path) -> ProbedGraph:
    return ProbedGraph(path, path.name, (X,))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_model, "not a model that onnxruntime can run: .*protobuf"),
        (with_external_data, "names external data, a graph holds all of its own$"),
        (of_doubles, r"does not run: .*Actual: .tensor.float.. , expected: .tensor.double"),
        (fed_with_another_name, "does not run: .*x"),
        (missing, "is no file$"),
    ],
)
def test_a_graph_that_does_not_load_or_run_is_refused(
    tmp_path: Path, make: Callable[[Path], ProbedGraph], reason: str
) -> None:
    with pytest.raises(PackageError, match=f"^bad.onnx: {reason}") as refusal:
        probe_graphs([sound(tmp_path / "good.onnx"), make(tmp_path / "bad.onnx")])
    assert refusal.value.file == "bad.onnx"


def test_whole_numbers_go_from_0_to_the_highest(tmp_path: Path) -> None:
    """Gather refuses an index outside its table."""
    graph = save(
        tmp_path / "gather.onnx", [node("Gather", ["table", "x"], ["y"])], {"table": np.arange(6)}, TensorProto.INT64
    )
    probe_graphs([graph._replace(inputs=(ProbeInput("x", "int64", (ROWS, DIM), 5),))])
    with pytest.raises(PackageError, match=r"idx=6 must be within the inclusive range \[-6,5\]"):
        probe_graphs([graph._replace(inputs=(ProbeInput("x", "int64", (ROWS, DIM), 6),))])


def test_a_child_that_does_not_start_is_no_fault_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="the process that tries graphs failed with code 1: "):
        probe_graphs([sound(tmp_path / "good.onnx")])


def test_a_child_that_does_not_end_by_itself_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = tmp_path / "python"
    waiting.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    waiting.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(waiting))
    monkeypatch.setattr(probe, "MAX_START_S", 0)
    with pytest.raises(RuntimeError, match=f"code -{signal.SIGALRM.value}"):
        probe_graphs([sound(tmp_path / "good.onnx")], LIMITS._replace(wall_s=1))


def test_nothing_is_read_from_standard_input_or_written_to_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PackageError):
        probe_graphs([no_model(tmp_path / "bad.onnx")])
    probe_graphs([sound(tmp_path / "good.onnx")])
    assert capfd.readouterr() == ("", "")


def test_a_module_in_the_working_directory_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    probe_graphs([sound(tmp_path / "good.onnx")])


def test_a_spawned_worker_probes(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=probe_graphs, args=([sound(tmp_path / "good.onnx")],))
    process.start()
    process.join(TIMEOUT_S)
    assert process.exitcode == 0
    process.close()


def child_of(process: subprocess.Popen[str]) -> int:
    """The child once it tries a graph: from then on it has its limit."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while True:
        assert process.poll() is None, process.communicate()
        for child in map(int, children.read_text().split()):
            if resource.prlimit(child, resource.RLIMIT_DATA)[0] == LIMITS.memory_mib << 20:
                return child


@LINUX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_child_ends_with_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    graph = looping(tmp_path / "loop.onnx")
    code = f"""
from pathlib import Path
from shortlist_server.inference.probe import Limits, ProbedGraph, ProbeInput, probe_graphs
from shortlist_server.shutdown import end_on_signals

end_on_signals()
probe_graphs([ProbedGraph(Path({str(graph.file)!r}), "loop", ({X!r},))], Limits(300, 300))
"""
    process = start_process([sys.executable, "-c", code])
    child = os.pidfd_open(child_of(process))
    process.send_signal(number)
    assert process.communicate(timeout=TIMEOUT_S) == ("", "")
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert select.select([child], [], [], TIMEOUT_S)[0] == [child]  # readable: it has ended
    os.close(child)
