"""From PyTorch to the ONNX files of a package, and the gate that both answer alike. No family is known here.

B queries, K results.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shortlist.package.features import CANDIDATES, parse_feature
from shortlist.v1.manifest_pb2 import Graph
from shortlist_kernels import VectorIndex
from shortlist_training.errors import GateError
from shortlist_training.funnel import order_by
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.stacking import Stacked
from shortlist_training.sources.features import Candidates, build_features
from shortlist_training.sources.graphs import GraphModel, RunGraph, open_graph

PARITY_TOLERANCE: Final = 1e-4  # a hundred times what float32 sums of these sizes scatter by, far below any real error
TOP_K: Final = 10
_NUM_EXAMPLES: Final = 16  # of which the exporter only learns that their number is free
LEAST_EQUAL_TOPS: Final = 0.999  # two items may be so close that rounding swaps them at the edge of a list


def run_in_torch(module: nn.Module, graph: Graph) -> RunGraph:
    """Run a module that takes the inputs of the graph in their order."""

    @torch.no_grad()
    def run(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = module(*_tensors(graph, inputs)).numpy()
        return output

    return run


def to_onnx(
    draft: ModelDraft, name: str, module: nn.Module, graph: Graph, inputs: Mapping[str, NDArray[Any]]
) -> RunGraph:
    """Write a module as the graph of that name, free in batch and candidates, and open the file again.

    inputs: an example of at least two queries and two candidates; with one, the exporter would fix the axis.
    """
    module.eval()
    path = draft.add_graph(name, lambda target: _export(module, graph, _tensors(graph, inputs), target))
    return open_graph(path, graph)


def export_user_graph(draft: ModelDraft, name: str, module: nn.Module, here: GraphModel, index: VectorIndex) -> None:
    """Write a graph over the history whose output is a vector of the user, and compare the items that it leads to.

    GateError where vectors differ, or where too many users would get other items.
    """
    example = draft.queries.take(np.arange(_NUM_EXAMPLES) % len(draft.queries))
    run = to_onnx(draft, name, module, here.graph, build_features(here.graph, example, here.tables))
    expected_BD = here.encode(draft.queries)
    found_BD = GraphModel(here.graph, run, here.tables).encode(draft.queries)
    check_parity(draft, name, expected_BD, found_BD)
    exclude = draft.queries.exclude
    tops = (index.search(vectors_BD, TOP_K, exclude=exclude)[1] for vectors_BD in (expected_BD, found_BD))
    check_top_items(name, *tops)


def export_candidate_graph(draft: ModelDraft, name: str, module: nn.Module, here: GraphModel, stacked: Stacked) -> None:
    """Write a graph over candidates, and compare what it makes of those of the stack, whose users the draft has.

    GateError where outputs differ, or where too many users would get other items.
    """
    rows_BC, scores_BCS = stacked.rows_BC, stacked.scores_BCS
    some = np.arange(_NUM_EXAMPLES) % len(rows_BC)
    candidates = Candidates(rows_BC[some], scores_BCS[some])
    example = build_features(here.graph, stacked.queries.take(some), here.tables, candidates)
    run = to_onnx(draft, name, module, here.graph, example)
    there = GraphModel(here.graph, run, here.tables)
    expected, found = (model.score(stacked.queries, rows_BC, scores_BCS) for model in (here, there))
    check_parity(draft, name, expected, found)
    # Of several outputs the sum: each candidate's place by all of its heads.
    tops = (order_by(output.reshape(*rows_BC.shape, -1).sum(axis=2), rows_BC)[1] for output in (expected, found))
    check_top_items(name, *tops)


def check_parity(draft: ModelDraft, name: str, expected: NDArray[np.float32], found: NDArray[np.float32]) -> None:
    """The file's outputs for the queries of the draft against PyTorch's. GateError beyond PARITY_TOLERANCE."""
    difference = float(np.abs(expected - found).max(initial=0.0))
    draft.say(f"  {name}: ONNX against PyTorch on {len(expected)} real histories: largest difference {difference:.1e}")
    if not difference <= PARITY_TOLERANCE:
        raise GateError("parity", f"{name}: ONNX differs from PyTorch by {difference:.1e}, over {PARITY_TOLERANCE:g}")


def check_top_items(name: str, expected_BK: NDArray[np.int64], found_BK: NDArray[np.int64]) -> None:
    """The first TOP_K rows by PyTorch and by the file. GateError unless LEAST_EQUAL_TOPS of the users have the same."""
    equal_B = (np.sort(expected_BK[:, :TOP_K], axis=1) == np.sort(found_BK[:, :TOP_K], axis=1)).all(axis=1)
    if len(equal_B) and not equal_B.mean() >= LEAST_EQUAL_TOPS:
        raise GateError(
            "parity",
            f"{name}: ONNX gives {equal_B.mean():.2%} of {len(equal_B)} users the same top {TOP_K} as PyTorch, "
            f"under {LEAST_EQUAL_TOPS:.1%}",
        )


def _tensors(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(inputs[entry.name])) for entry in graph.inputs)


def _export(module: nn.Module, graph: Graph, inputs: tuple[Tensor, ...], target: Path) -> None:
    batch, candidates = torch.export.Dim("batch"), torch.export.Dim("candidates")
    dynamic = tuple(
        {0: batch, 1: candidates} if CANDIDATES in parse_feature(entry.feature).spec.axes else {0: batch}
        for entry in graph.inputs
    )
    with _quiet():
        program = torch.onnx.export(
            _Positional(module),
            inputs,
            input_names=[entry.name for entry in graph.inputs],
            output_names=[graph.output],
            dynamic_shapes=(dynamic,),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        program.save(target, external_data=False)


class _Positional(nn.Module):
    """Any number of inputs in the order of the graph: the exporter wants one shape of call for all modules."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self.module(*inputs)
        return output


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress and warns about its own dependencies."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
