"""One ONNX graph on onnxruntime, whatever its tensors are. The only module that imports onnxruntime.

What the tensors mean, and in which shapes they run, is graph.py's concern.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from numpy.typing import NDArray

# It writes an id of the machine into the home directory, and sends what it counts away, from the moment of its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from shortlist.package import PackageError

# Vectors are inputs of a graph, so that the weights of its layers alone make its size: these are 134 million of them.
# A file is in memory three times while it loads: its bytes, the parsed message, onnxruntime's own copy.
MAX_FILE_BYTES: Final = 512 << 20

# What NumPy calls the element types of onnxruntime; types that it lacks keep onnxruntime's spelling.
_NUMPY_NAMES: Final = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "object",
    **{f"tensor({name})": name for name in ("bool", "float16", "complex64", "complex128")},
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
# A directory that cannot exist. onnxruntime looks for external data of a graph given as bytes in the working
# directory unless it is told another one.
_NO_DIRECTORY: Final = "/dev/null/none"
# In what onnxruntime says of external data: where it looks for initializers, then in subgraphs, then in the memory of
# the process itself.
_EXTERNAL_DATA: Final = ("external data", "External data", "external TensorProto", _NO_DIRECTORY, "in-memory address")
_CUDA: Final = "CUDAExecutionProvider"


class TensorInfo(NamedTuple):
    """An input or output of a graph as the graph itself declares it."""

    name: str
    dtype: str  # NumPy's spelling, "object" for strings; onnxruntime's, as "tensor(bfloat16)", where NumPy has none
    shape: tuple[int | str, ...]  # a word is a dynamic axis, "?" one without a name


class OnnxSession:
    """A graph, ready to run from any number of threads at once.

    `label` names it in errors and logs. Raises PackageError when the file is no model that onnxruntime runs, is too
    big, or names external data. On "cuda" it falls back to the CPU, with a warning, where onnxruntime finds no device.
    Loading may compute parts of the graph: ask `probe_graphs` first whether that ends.
    """

    def __init__(self, file: Path, label: str, *, num_threads: int = 1, device: Literal["cpu", "cuda"] = "cpu") -> None:
        self.label = label
        self._session = _open_session(_read(file, label), label, num_threads, device)
        try:
            self.inputs: tuple[TensorInfo, ...] = tuple(map(_describe, self._session.get_inputs()))
            self.outputs: tuple[TensorInfo, ...] = tuple(map(_describe, self._session.get_outputs()))
        except UnicodeDecodeError as error:
            raise PackageError(label, f"a name in the graph is not UTF-8: {error}") from None
        # The execution provider that runs the graph, as onnxruntime names it.
        self.provider: str = self._session.get_providers()[0]

    def run(self, output_names: Sequence[str], feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs of these names, in this order, for inputs by name.

        Raises RuntimeError, naming the graph, when an input does not fit it or a node of it fails.
        """
        try:
            outputs: list[NDArray[Any]] = self._session.run(list(output_names), dict(feed))
        except Exception as error:  # noqa: BLE001 - see _open_session
            raise RuntimeError(f"{self.label}: {_one_line(error)}") from None
        return outputs


def _read(file: Path, label: str) -> bytes:
    """The bytes of a graph: onnxruntime gets no path, so that the graph cannot name files beside its own."""
    try:
        if not file.is_file():
            raise PackageError(label, "is no file")
        num_bytes = file.stat().st_size
        if num_bytes > MAX_FILE_BYTES:
            raise PackageError(label, f"{num_bytes} bytes: a graph has at most {MAX_FILE_BYTES >> 20} MiB")
        return file.read_bytes()
    except OSError as error:
        raise PackageError(label, f"cannot be read: {error.strerror}") from None


def _open_session(graph: bytes, label: str, num_threads: int, device: str) -> onnxruntime.InferenceSession:
    providers = ["CPUExecutionProvider"]
    if device == "cuda" and _CUDA in onnxruntime.get_available_providers():
        providers = [_CUDA, *providers]
    try:
        # Its own fallback prints to standard output, where it could only try the same provider again.
        fallback = int(len(providers) > 1)
        session = onnxruntime.InferenceSession(
            graph, _session_options(num_threads), providers=providers, enable_fallback=fallback
        )
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base class but this one
        if any(sign in str(error) for sign in _EXTERNAL_DATA):
            raise PackageError(label, "names external data, a graph holds all of its own") from None
        raise PackageError(label, f"not a model that onnxruntime can run: {_one_line(error)}") from None
    if device == "cuda" and _CUDA not in session.get_providers():
        import structlog  # here only: it takes half of the start of probe.py's process

        structlog.get_logger(__name__).warning("no CUDA device for onnxruntime, running on the CPU", model=label)
    return session


def _session_options(num_threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what it would log as an error, it also raises
    # A spinning pool would take the cores from the kernels between two runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_DIRECTORY)
    # Never onnxruntime's own format, which it would recognize: its reader trusts what it reads.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options


def _describe(tensor: onnxruntime.NodeArg) -> TensorInfo:
    shape = tuple(axis if isinstance(axis, int) else axis or "?" for axis in tensor.shape)
    return TensorInfo(tensor.name, _NUMPY_NAMES.get(tensor.type, tensor.type), shape)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__
