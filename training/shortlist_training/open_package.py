"""A package's files to the offline funnel, as the server builds its own: by the kinds in the manifest.

N items.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shortlist.package import PackageError, layout, read_manifest, verify_files
from shortlist.package.arrays import open_array, open_sparse
from shortlist.package.strings import KeyColumn, open_keys
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.vocabulary import FUSION_METHODS, MAX_ID_BYTES, NORMALISATIONS

if TYPE_CHECKING:
    from shortlist_training.funnel import Funnel
    from shortlist_training.sources.features import ItemTables
    from shortlist_training.sources.kinds import Kind


@dataclass(frozen=True, slots=True, eq=False)
class Package:
    """A package that was verified: its manifest, and what evaluation asks of its catalogue."""

    path: Path
    manifest: manifest.Manifest
    item_ids: KeyColumn
    available_N: NDArray[np.bool_]

    @property
    def num_items(self) -> int:
        """N."""
        return len(self.item_ids)


def open_package(path: Path) -> Package:
    """Verify a package and open its catalogue; PackageError says in one line what is wrong."""
    found = read_manifest(path)
    verify_files(path, found)
    return open_draft(path, found)


def open_draft(path: Path, entry: manifest.Manifest) -> Package:
    """Open the catalogue of a package whose files are not listed yet."""
    num_items = entry.items.num_items
    item_ids = open_keys(path, layout.ITEM_IDS, num_items, max_bytes=MAX_ID_BYTES)
    return Package(path, entry, item_ids, open_array(path, layout.AVAILABLE, np.bool_, (num_items,)))


def open_funnel(package: Package) -> "Funnel":
    """Sources, fusion and ranker by the manifest; PackageError where a file is not what it should be."""
    # Imported here, as the kinds load the kernels and their graphs onnxruntime: commands refuse mistakes before that.
    from shortlist_training.funnel import Funnel

    entry = package.manifest
    tables = _tables(package)
    methods = {number: name for name, number in FUSION_METHODS.items()}
    norms = {number: name for name, number in NORMALISATIONS.items()}
    return Funnel(
        sources={source.name: _KINDS[source.WhichOneof("kind")](package, source, tables) for source in entry.sources},
        weights=[source.weight for source in entry.sources],
        num_candidates=min(entry.num_candidates, package.num_items),
        allowed_N=package.available_N,
        method=methods[entry.fusion.method],
        norm=norms.get(entry.fusion.normalisation, "minmax"),
        fallback=entry.fallback_source,
        rank=_rank(package, tables) if entry.HasField("ranker") else None,
    )


def _tables(package: Package) -> "ItemTables":
    from shortlist_kernels import VectorIndex
    from shortlist_training.sources.features import ItemTables

    spaces = {}
    for space in package.manifest.spaces:
        file = layout.vectors_file(space.name)
        try:
            index = VectorIndex.load(package.path / file)
        except (OSError, ValueError) as error:
            raise PackageError(file, str(error)) from None
        wanted = (package.num_items, space.dimensions, manifest.Metric.Name(space.metric).lower())
        if (len(index), index.dim, f"metric_{index.metric}") != wanted:
            raise PackageError(file, f"holds {len(index)} vectors of {index.dim} dimensions by {index.metric}")
        spaces[space.name] = index
    names = list(package.manifest.items.numeric)
    numbers = open_array(package.path, layout.NUMERIC, np.float64, (len(names), package.num_items))
    return ItemTables(spaces, dict(zip(names, numbers, strict=True)))


def _item_scores(package: Package, source: manifest.Source, tables: "ItemTables") -> "Kind":
    from shortlist_training.sources.kinds import ItemScores

    return ItemScores(open_array(package.path, layout.scores_file(source.name), np.float32, (package.num_items,)))


def _item_matrix(package: Package, source: manifest.Source, tables: "ItemTables") -> "Kind":
    from shortlist_training.sources.kinds import ItemMatrix

    matrix = _sparse(package, layout.matrix_folder(source.name), package.num_items, package.num_items)
    return ItemMatrix(matrix, source.item_matrix.history)


def _user_vector(package: Package, source: manifest.Source, tables: "ItemTables") -> "Kind":
    from shortlist_training.sources.graphs import GraphModel, open_graph
    from shortlist_training.sources.kinds import UserVector, mean_vectors

    entry = source.user_vector
    index = tables.spaces[entry.space]
    if entry.WhichOneof("vector") == "mean":
        return UserVector(index, mean_vectors(index, entry.mean))
    run = open_graph(package.path / layout.graph_file(source.name), entry.graph)
    return UserVector(index, GraphModel(entry.graph, run, tables).encode)


def _user_neighbours(package: Package, source: manifest.Source, tables: "ItemTables") -> "Kind":
    from shortlist_training.sources.kinds import UserNeighbours

    entry, num_items = source.user_neighbours, package.num_items
    by_user = _sparse(package, layout.interactions_folder(source.name), None, num_items)
    num_users = by_user.shape[0]
    by_item = _sparse(package, layout.interactions_by_item_folder(source.name), num_items, num_users)
    return UserNeighbours(by_user, by_item, entry.history, entry.num_neighbours)


def _candidate_scorer(package: Package, source: manifest.Source, tables: "ItemTables") -> "Kind":
    from shortlist_training.sources.graphs import GraphModel, open_graph
    from shortlist_training.sources.kinds import CandidateScorer

    graph = source.candidate_scorer.graph
    run = open_graph(package.path / layout.graph_file(source.name), graph)
    return CandidateScorer(GraphModel(graph, run, tables), package.num_items)


_KINDS: dict[str | None, Callable[[Package, manifest.Source, Any], Any]] = {
    "item_scores": _item_scores,
    "item_matrix": _item_matrix,
    "user_vector": _user_vector,
    "user_neighbours": _user_neighbours,
    "candidate_scorer": _candidate_scorer,
}


def _sparse(package: Package, folder: str, num_rows: int | None, num_columns: int) -> Any:
    from shortlist_kernels import Csr

    matrix = open_sparse(package.path, folder, num_rows, num_columns)
    return Csr(matrix.indptr, matrix.indices, matrix.data, (len(matrix.indptr) - 1, num_columns))


def _rank(package: Package, tables: "ItemTables") -> Any:
    """The value of candidates: the sum over the heads of weight x probability, head by head as the server adds."""
    from shortlist_training.data.queries import Queries
    from shortlist_training.sources.graphs import GraphModel, open_graph
    from shortlist_training.sources.kinds import Float32, Rows

    entry = package.manifest.ranker
    run = open_graph(package.path / layout.graph_file(layout.RANKER), entry.graph)
    model = GraphModel(entry.graph, run, tables)

    def rank(queries: Queries, rows_BC: Rows, scores_BCS: Float32) -> Float32:
        probabilities_BCH = model.score(queries, rows_BC, scores_BCS)
        values_BC = np.zeros(rows_BC.shape)
        for head, settings in enumerate(entry.heads):
            values_BC += settings.weight * probabilities_BCH[:, :, head].astype(np.float64)
        return values_BC.astype(np.float32)

    return rank
