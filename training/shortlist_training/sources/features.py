"""The features of `shortlist.package.features`, built as the server builds them.

B queries, L history positions, C candidates, S sources, D dimensions of a space, N items, H history entries.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.package.features import SECONDS_PER_DAY, parse_feature
from shortlist.v1.manifest_pb2 import Graph
from shortlist_kernels import VectorIndex
from shortlist_training.data.queries import Queries


@dataclass(frozen=True, slots=True, eq=False)
class ItemTables:
    """What features look up by item: vector spaces by name, ids being rows, and numeric attributes, float (N,)."""

    spaces: Mapping[str, VectorIndex] = field(default_factory=dict)
    numeric: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Rows int64 (B, C), -1 where there is none, and the raw score (B, C, S) of every source, where asked for."""

    rows_BC: NDArray[np.int64]
    scores_BCS: NDArray[np.float32] | None = None


def build_features(
    graph: Graph, queries: Queries, tables: ItemTables, candidates: Candidates | None = None
) -> dict[str, NDArray[Any]]:
    """The array of each input of the graph, by its name in the graph."""
    inputs = _Inputs(queries, graph.max_history, tables, candidates)
    return {entry.name: inputs.of(entry.feature) for entry in graph.inputs}


class _Inputs:
    """What the features of one call are made of; histories are laid out once for all of them."""

    def __init__(self, queries: Queries, length: int, tables: ItemTables, candidates: Candidates | None) -> None:
        self.queries = queries
        self.tables = tables
        self.candidates = candidates
        self.history = queries.histories.last(length) if length else queries.histories.last(0)
        lengths = self.history.lengths()
        self.owners_H = np.repeat(np.arange(len(queries)), lengths)
        # The newest item of every history stands at the last position; padding is on the left.
        self.places_H = length - np.repeat(self.history.indptr[1:], lengths) + np.arange(len(self.history.rows))
        self.shape = (len(queries), length)

    def of(self, feature: str) -> NDArray[Any]:
        parsed = parse_feature(feature)
        return _BUILDERS[parsed.name](self, parsed.argument)

    def laid_out(self, entries_H: NDArray[Any], dtype: str) -> NDArray[Any]:
        """The entries of all histories as (B, L, ...), 0 at padding."""
        array = np.zeros((*self.shape, *entries_H.shape[1:]), dtype)
        array[self.owners_H, self.places_H] = entries_H
        return array

    def items(self, _: str) -> NDArray[Any]:
        return self.laid_out(self.history.rows.astype(np.int64) + 1, "int64")

    def types(self, _: str) -> NDArray[Any]:
        return self.laid_out(self.history.types, "int64")

    def values(self, _: str) -> NDArray[Any]:
        return self.laid_out(np.nan_to_num(self.history.values), "float32")

    def recency_days(self, _: str) -> NDArray[Any]:
        newest_H = self.history.timestamps[self.history.indptr[1:][self.owners_H] - 1]
        seconds_H = (newest_H - self.history.timestamps).astype(np.float32)
        return self.laid_out(seconds_H / np.float32(SECONDS_PER_DAY), "float32")

    def history_vectors(self, space: str) -> NDArray[Any]:
        return self.laid_out(self.tables.spaces[space].vectors(self.history.rows.astype(np.int64)), "float32")

    def candidate_items(self, _: str) -> NDArray[Any]:
        return self.rows_BC + 1

    def candidate_vectors(self, space: str) -> NDArray[Any]:
        index, given_BC = self.tables.spaces[space], self.rows_BC >= 0
        vectors_BCD = np.zeros((*self.rows_BC.shape, index.dim), np.float32)
        vectors_BCD[given_BC] = index.vectors(self.rows_BC[given_BC])
        return vectors_BCD

    def candidate_numeric(self, name: str) -> NDArray[Any]:
        numbers_BC = self.tables.numeric[name][self.rows_BC]
        return np.where(self.rows_BC < 0, 0, np.nan_to_num(numbers_BC)).astype(np.float32)

    def retrieval_scores(self, _: str) -> NDArray[Any]:
        assert self.candidates is not None
        assert self.candidates.scores_BCS is not None
        return self.candidates.scores_BCS

    def context(self, _: str) -> NDArray[Any]:
        """No data set says yet in what context its users asked; the server says 0 to what a request leaves out."""
        return np.zeros(len(self.queries), np.float32)

    @property
    def rows_BC(self) -> NDArray[np.int64]:
        assert self.candidates is not None
        return self.candidates.rows_BC


_BUILDERS: dict[str, Callable[[_Inputs, str], NDArray[Any]]] = {
    "history.items": _Inputs.items,
    "history.types": _Inputs.types,
    "history.values": _Inputs.values,
    "history.recency_days": _Inputs.recency_days,
    "history.vectors": _Inputs.history_vectors,
    "candidate.items": _Inputs.candidate_items,
    "candidate.vectors": _Inputs.candidate_vectors,
    "candidate.numeric": _Inputs.candidate_numeric,
    "candidate.retrieval_scores": _Inputs.retrieval_scores,
    "context": _Inputs.context,
}
