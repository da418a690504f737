"""A graph of the manifest with what it is fed from: run by PyTorch while training, by onnxruntime from a package.

B queries, C candidates, S sources.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.manifest_pb2 import Graph
from shortlist_training.data.queries import Queries
from shortlist_training.sources.features import Candidates, ItemTables, build_features

RunGraph = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]
"""From the inputs by name to the one output that is used."""

_USERS_AT_ONCE: Final = 16
"""Users of one run: few enough for small batches of the server, enough for a matrix product to pay."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphModel:
    """A graph, how it is run, and the tables of items that its features look up."""

    graph: Graph
    run: RunGraph
    tables: ItemTables

    def encode(self, queries: Queries) -> NDArray[np.float32]:
        """The output for each query of a graph over the history."""
        parts = [self.run(build_features(self.graph, part, self.tables)) for part in queries.parts(_USERS_AT_ONCE)]
        return np.concatenate(parts)

    def score(
        self, queries: Queries, rows_BC: NDArray[np.int64], scores_BCS: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The output (B, C, ...) of a graph over candidates, user by user as in the server; rows may be -1."""
        outputs = []
        for user in range(len(queries)):
            one = slice(user, user + 1)
            candidates = Candidates(rows_BC[one], None if scores_BCS is None else scores_BCS[one])
            query = queries.take(np.array([user]))
            outputs.append(self.run(build_features(self.graph, query, self.tables, candidates)))
        return np.concatenate(outputs)


def open_graph(path: Path, graph: Graph) -> RunGraph:
    """The graph of an ONNX file under onnxruntime, on one thread: its answers must not depend on the machine's load."""
    # onnxruntime reads it once, when it is imported; without it, it collects usage data.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = session.run([graph.output], dict(inputs))[0]
        return output

    return run
