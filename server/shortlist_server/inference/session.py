"""One ONNX graph on onnxruntime. The only module that imports onnxruntime.

A run has always the same leading axis, `rows_per_run`: fewer rows are padded, more are split. Kernels of a runtime
may round differently in different shapes, so a varying batch would let strangers change a user's scores.
Only the leading axis is fixed here; the caller fixes the others (the pipeline pads candidates to num_candidates).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import structlog
from numpy.typing import NDArray

# It writes an id of the machine into the home directory, and sends what it counts away, from the moment of its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from shortlist_server.errors import PackageError
from shortlist_server.inference.batch_check import first_disturbed_output, probe_inputs
from shortlist_server.inference.spec import ModelSpec, TensorSpec

Array = NDArray[Any]
_ONNX_TYPES: Final = {"tensor(int64)": "int64", "tensor(float)": "float32"}
_CUDA: Final = "CUDAExecutionProvider"
_log = structlog.get_logger(__name__)


class OnnxModel:
    """A graph that fits its ModelSpec, ready to run from any number of threads at once.

    Raises PackageError when the file is no ONNX model or its inputs and outputs differ from the spec. On "cuda" it
    falls back to the CPU, with a warning, where onnxruntime finds no device.
    """

    def __init__(
        self,
        path: Path,
        spec: ModelSpec,
        rows_per_run: int,
        num_threads: int = 1,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> None:
        if rows_per_run < 1:
            raise ValueError(f"rows_per_run: {rows_per_run} is less than 1")
        self.spec = spec
        self.rows_per_run = rows_per_run
        self._session = _open_session(path, spec, num_threads, device)
        self._input_names = frozenset(tensor.name for tensor in spec.inputs)
        self._output_names = [tensor.name for tensor in spec.outputs]
        try:
            _check_tensors(spec, "input", spec.inputs, self._session.get_inputs())
            _check_tensors(spec, "output", spec.outputs, self._session.get_outputs())
        except UnicodeDecodeError as error:
            raise PackageError(spec.path, f"a name in the graph is not UTF-8: {error}") from None

    @property
    def provider(self) -> str:
        """The execution provider that runs the graph, as onnxruntime names it."""
        provider: str = self._session.get_providers()[0]
        return provider

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name for inputs by name; all leading axes have one length B >= 0, which the outputs get too.

        Raises ValueError naming the input whose name, dtype or rank is not that of the spec.
        """
        num_rows = self._check_inputs(inputs)
        if num_rows == 0:
            return {tensor.name: _empty(tensor, self.spec, inputs) for tensor in self.spec.outputs}
        chunks = [self._run_chunk(inputs, start, num_rows) for start in range(0, num_rows, self.rows_per_run)]
        if len(chunks) == 1:
            return dict(zip(self._output_names, chunks[0], strict=True))
        columns = zip(*chunks, strict=True)
        return {name: np.concatenate(parts) for name, parts in zip(self._output_names, columns, strict=True)}

    def warm_up(self, num_items: int, num_candidates: int) -> None:
        """Run once at the served shapes, and prove on made-up rows that the position and the company of a row leave
        its outputs alone bit for bit; if they do not, rows run one by one from now on. Raises PackageError when the
        graph does not run.
        """
        probe = probe_inputs(self.spec, self.rows_per_run, num_items, num_candidates)
        try:
            disturbed = first_disturbed_output(self.run, probe)
        except Exception as error:  # noqa: BLE001 - see _open_session
            raise PackageError(self.spec.path, f"does not run: {_first_line(error)}") from None
        if disturbed is not None:
            _log.warning(
                "model rows disturb each other, running them one by one", model=self.spec.role, output=disturbed
            )
            self.rows_per_run = 1
            self.run(probe)

    def _check_inputs(self, inputs: Mapping[str, Array]) -> int:
        if inputs.keys() != self._input_names:
            raise ValueError(f"{self.spec.role}: inputs {sorted(inputs)}, wanted {sorted(self._input_names)}")
        num_rows: int = inputs[self.spec.inputs[0].name].shape[0]
        for tensor in self.spec.inputs:
            array = inputs[tensor.name]
            if array.dtype != tensor.dtype or array.ndim != len(tensor.shape) or array.shape[0] != num_rows:
                raise ValueError(
                    f"{self.spec.role}: input {tensor.name!r} is {array.dtype} {list(array.shape)}, "
                    f"wanted {tensor.dtype} {[num_rows, *tensor.shape[1:]]}"
                )
        return num_rows

    def _run_chunk(self, inputs: Mapping[str, Array], start: int, num_rows: int) -> list[Array]:
        wanted = self.rows_per_run
        stop = min(start + wanted, num_rows)
        feed = {name: _pad_rows(array[start:stop], wanted) for name, array in inputs.items()}
        outputs: list[Array] = self._session.run(self._output_names, feed)
        for tensor, output in zip(self.spec.outputs, outputs, strict=True):
            if output.shape[0] != wanted:
                raise ValueError(f"{self.spec.role}: output {tensor.name!r} has {output.shape[0]} rows for {wanted}")
        return outputs if stop - start == wanted else [output[: stop - start] for output in outputs]


def _open_session(path: Path, spec: ModelSpec, num_threads: int, device: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what it would log as an error, it also raises
    # A spinning pool would take the cores from the kernels between two runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if device == "cuda" and _CUDA in onnxruntime.get_available_providers():
        providers = [_CUDA, *providers]
    try:
        # Its own fallback prints to standard output, where it could only try the same provider again.
        fallback = int(len(providers) > 1)
        session = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=fallback)
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base class but this one
        raise PackageError(spec.path, f"not a model that onnxruntime can run: {_first_line(error)}") from None
    if device == "cuda" and _CUDA not in session.get_providers():
        _log.warning("no CUDA device for onnxruntime, running on the CPU", model=spec.role)
    return session


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _check_tensors(
    spec: ModelSpec, kind: str, wanted: tuple[TensorSpec, ...], found: list[onnxruntime.NodeArg]
) -> None:
    by_name = {tensor.name: tensor for tensor in found}
    if by_name.keys() != {tensor.name for tensor in wanted}:
        names = sorted(tensor.name for tensor in wanted)
        raise PackageError(spec.path, f"the graph has {kind}s {sorted(by_name)}, the manifest {names}")
    for tensor in wanted:
        graph = by_name[tensor.name]
        dtype = _ONNX_TYPES.get(graph.type, graph.type)
        fits = dtype == tensor.dtype and len(graph.shape) == len(tensor.shape)
        if not fits or not all(_axis_fits(*axes) for axes in zip(graph.shape, tensor.shape, strict=True)):
            raise PackageError(
                spec.path,
                f"{kind} {tensor.name!r} is {dtype} {graph.shape} in the graph, "
                f"{tensor.dtype} {list(tensor.shape)} in the manifest",
            )


def _axis_fits(graph: int | str | None, manifest: int | str) -> bool:
    """A dynamic axis of the graph takes anything, a fixed one only itself."""
    return not isinstance(graph, int) or graph == manifest


def _pad_rows(array: Array, num_rows: int) -> Array:
    if array.shape[0] == num_rows:
        return np.ascontiguousarray(array)
    padded = np.zeros((num_rows, *array.shape[1:]), dtype=array.dtype)
    padded[: array.shape[0]] = array
    return padded


def _empty(output: TensorSpec, spec: ModelSpec, inputs: Mapping[str, Array]) -> Array:
    sizes = {
        axis: size
        for tensor in spec.inputs
        for axis, size in zip(tensor.shape, inputs[tensor.name].shape, strict=True)
        if isinstance(axis, str)
    }
    shape = [0, *(axis if isinstance(axis, int) else sizes[axis] for axis in output.shape[1:])]
    return np.empty(shape, dtype=output.dtype)
