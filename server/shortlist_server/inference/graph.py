"""One graph of a package: what it is fed with, and the one shape in which it runs.

A run has always the same leading axis, `rows_per_run`: fewer rows are padded, more are split. Kernels of a runtime may
round differently in different shapes, so a varying batch would let strangers change a user's scores. The axis of
candidates is fixed by the caller, for the same reason.

R rows of a run, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from shortlist.package import layout
from shortlist.package.errors import PackageError
from shortlist.package.features import BATCH, CANDIDATES, DIMENSIONS, HISTORY, SOURCES, Feature, parse_feature
from shortlist.package.files import locate
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.vocabulary import EVENT_TYPES
from shortlist_server.inference.batch_check import first_disturbed_output
from shortlist_server.inference.probe import ProbedGraph, ProbeInput
from shortlist_server.inference.session import OnnxSession, TensorInfo

Array = NDArray[Any]
Device = Literal["cpu", "cuda"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes of a package that the axes of a graph depend on; `dimensions` are those of each space."""

    dimensions: Mapping[str, int]
    num_items: int
    num_sources: int
    num_candidates: int

    @classmethod
    def of(cls, package: manifest.Manifest) -> Sizes:
        """Those that the manifest states."""
        return cls(
            dimensions={space.name: space.dimensions for space in package.spaces},
            num_items=package.items.num_items,
            num_sources=len(package.sources),
            num_candidates=package.num_candidates,
        )


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a graph: its name there, the feature that feeds it, and its axes: a number, or the name of one.

    `largest` is the largest whole number that the feature takes; a graph may use it as an index.
    """

    name: str
    feature: Feature
    axes: tuple[int | str, ...]
    largest: int

    def shape(self, num_rows: int, num_candidates: int) -> tuple[int, ...]:
        """The shape with these sizes for the axes that vary."""
        sizes = {BATCH: num_rows, CANDIDATES: num_candidates}
        return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.axes)


class Graph:
    """A graph, ready to run from any number of threads at once. `inputs` say what `run` wants to be fed with.

    PackageError when the file is no graph, or not the one that the manifest describes.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        entry: manifest.Graph,
        sizes: Sizes,
        *,
        rows_per_run: int = 1,
        num_threads: int = 1,
        device: Device = "cpu",
    ) -> None:
        if rows_per_run < 1:
            raise ValueError(f"rows_per_run: {rows_per_run} is less than 1")
        self.name = name
        self.max_history = entry.max_history
        self.rows_per_run = rows_per_run
        self.inputs = inputs_of(entry, sizes)
        self._file = layout.graph_file(name)
        self._num_candidates = sizes.num_candidates
        self._session = OnnxSession(locate(root, self._file), self._file, num_threads=num_threads, device=device)
        self._output = entry.output
        self._output_info = self._find_output()
        self._check_inputs(self._session.inputs)

    @property
    def provider(self) -> str:
        """The execution provider that runs the graph, as onnxruntime names it."""
        return self._session.provider

    def check_output(self, *axes: int | None) -> None:
        """PackageError unless the output is float32 with these axes after the batch; None takes any size."""
        found = self._output_info
        fits = len(found.shape) == len(axes) + 1 and all(
            wanted is None or not isinstance(axis, int) or axis == wanted
            for axis, wanted in zip(found.shape[1:], axes, strict=True)
        )
        if found.dtype != "float32" or not fits:
            wanted_axes = [BATCH, *("any" if axis is None else axis for axis in axes)]
            raise PackageError(
                self._file,
                f"output {self._output!r} is {found.dtype} {list(found.shape)}, wanted float32 {wanted_axes}",
            )

    def run(self, feed: Mapping[str, Array]) -> NDArray[np.float32]:
        """The output (B, ...) for inputs by name, whose leading axes all have the length B > 0."""
        num_rows = next(iter(feed.values())).shape[0]
        runs = [self._run_rows(feed, start, num_rows) for start in range(0, num_rows, self.rows_per_run)]
        output: NDArray[np.float32] = runs[0] if len(runs) == 1 else np.concatenate(runs)
        return output

    def warm_up(self) -> None:
        """Run once at the served shapes, and prove on made-up rows that the position and the company of a row leave
        its output alone bit for bit; if they do not, rows run one by one from now on. PackageError when it fails.
        """
        probe = self._probe_feed()
        try:
            disturbed = first_disturbed_output(lambda feed: {self._output: self.run(feed)}, probe)
        except (RuntimeError, ValueError) as error:
            raise PackageError(self._file, f"does not run: {str(error).removeprefix(f'{self._file}: ')}") from None
        if disturbed is not None:
            _log.warning("rows of a graph disturb each other, running them one by one", graph=self.name)
            self.rows_per_run = 1
            self.run(probe)

    def _run_rows(self, feed: Mapping[str, Array], start: int, num_rows: int) -> NDArray[np.float32]:
        wanted, stop = self.rows_per_run, min(start + self.rows_per_run, num_rows)
        padded = {name: _pad_rows(array[start:stop], wanted) for name, array in feed.items()}
        (output,) = self._session.run([self._output], padded)
        if output.shape[0] != wanted:
            raise ValueError(f"{self._file}: output {self._output!r} has {output.shape[0]} rows for {wanted}")
        return output[: stop - start]

    def _find_output(self) -> TensorInfo:
        for tensor in self._session.outputs:
            if tensor.name == self._output:
                return tensor
        names = ", ".join(tensor.name for tensor in self._session.outputs)
        raise PackageError(self._file, f"has no output {self._output!r:.80}; there are {names:.200}")

    def _check_inputs(self, found: tuple[TensorInfo, ...]) -> None:
        by_name = {tensor.name: tensor for tensor in found}
        if by_name.keys() != {entry.name for entry in self.inputs}:
            named = sorted(entry.name for entry in self.inputs)
            raise PackageError(self._file, f"the graph has inputs {sorted(by_name)}, the manifest {named}")
        for entry in self.inputs:
            tensor, spec = by_name[entry.name], entry.feature.spec
            fits = len(tensor.shape) == len(entry.axes) and all(
                _axis_fits(*axes) for axes in zip(tensor.shape, entry.axes, strict=True)
            )
            if tensor.dtype != spec.dtype or not fits:
                raise PackageError(
                    self._file,
                    f"input {entry.name!r} is {tensor.dtype} {list(tensor.shape)}, "
                    f"{entry.feature.name} is {spec.dtype} {list(entry.axes)}",
                )

    def _probe_feed(self) -> dict[str, Array]:
        """Inputs of `rows_per_run` rows that all differ: histories of every length, numbers in [0, 1)."""
        random = np.random.default_rng(0)
        feed: dict[str, Array] = {}
        for entry in self.inputs:
            shape = entry.shape(self.rows_per_run, self._num_candidates)
            drawn: Array = random.random(shape, dtype=np.float32)
            if entry.feature.spec.dtype == "int64":
                drawn = random.integers(1, entry.largest, shape, dtype=np.int64, endpoint=True)
            if entry.feature.is_history:
                for row in range(shape[0]):
                    drawn[row, : shape[1] - 1 - row % shape[1]] = 0
            feed[entry.name] = drawn
        return feed


def inputs_of(entry: manifest.Graph, sizes: Sizes) -> tuple[Input, ...]:
    """The inputs of a graph with their axes, by the registry of features."""
    return tuple(_input_of(one, entry.max_history, sizes) for one in entry.inputs)


def graphs_to_probe(root: Path, package: manifest.Manifest, rows_per_run: int) -> Iterator[ProbedGraph]:
    """Every graph of a package with the shapes in which it will run."""
    sizes = Sizes.of(package)
    for name, entry in graphs_of(package).items():
        fed = inputs_of(entry, sizes)
        rows = 1 if any(one.feature.is_candidate for one in fed) else rows_per_run
        inputs = tuple(
            ProbeInput(one.name, one.feature.spec.dtype, one.shape(rows, sizes.num_candidates), one.largest)
            for one in fed
        )
        yield ProbedGraph(locate(root, layout.graph_file(name)), layout.graph_file(name), inputs)


def graphs_of(package: manifest.Manifest) -> dict[str, manifest.Graph]:
    """The graphs of a package by the name under which their files lie, whatever kind of source they belong to."""
    found = {source.name: graph for source in package.sources for graph in _graphs_in(source)}
    if package.HasField("ranker"):
        found[layout.RANKER] = package.ranker.graph
    return found


def _graphs_in(message: Any) -> Iterator[manifest.Graph]:
    for field, value in message.ListFields():
        if isinstance(value, manifest.Graph):
            yield value
        elif field.containing_oneof is not None and field.message_type is not None:
            yield from _graphs_in(value)


def _input_of(entry: manifest.GraphInput, max_history: int, sizes: Sizes) -> Input:
    feature = parse_feature(entry.feature)
    known: dict[str, int | str] = {
        BATCH: BATCH,
        CANDIDATES: CANDIDATES,
        HISTORY: max_history,
        SOURCES: sizes.num_sources,
        DIMENSIONS: sizes.dimensions.get(feature.argument, 0),
    }
    largest = max(EVENT_TYPES.values()) if feature.name == "history.types" else sizes.num_items
    return Input(entry.name, feature, tuple(known[axis] for axis in feature.spec.axes), largest)


def _axis_fits(graph: int | str, wanted: int | str) -> bool:
    """A dynamic axis of the graph takes anything, a fixed one only its size."""
    return not isinstance(graph, int) or graph == wanted


def _pad_rows(array: Array, num_rows: int) -> Array:
    if array.shape[0] == num_rows:
        return np.ascontiguousarray(array)
    padded = np.zeros((num_rows, *array.shape[1:]), dtype=array.dtype)
    padded[: array.shape[0]] = array
    return padded
