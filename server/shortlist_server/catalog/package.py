"""A model package on disk, opened: verified as a whole, then ready to serve, or not opened at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from shortlist.package import layout, read_golden, read_manifest, verify_files
from shortlist.package.files import require_listed
from shortlist.v1 import manifest_pb2
from shortlist_server.catalog.items import Catalog, open_items
from shortlist_server.catalog.spaces import Space, open_space
from shortlist_server.inference.graph import Device, Graph, Sizes, graphs_of, graphs_to_probe
from shortlist_server.inference.probe import probe_graphs
from shortlist_server.pipeline.features import FeatureBuilder
from shortlist_server.pipeline.sources.candidate_graph import CandidateGraph
from shortlist_server.pipeline.sources.kinds import build_sources, check_sources, files_of_sources
from shortlist_server.pipeline.sources.source import Parts, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One version of everything that answers a request. Names are the manifest's, rows those of the catalogue."""

    path: Path
    manifest: manifest_pb2.Manifest
    golden: manifest_pb2.Golden
    catalog: Catalog
    spaces: Mapping[str, Space]
    sources: tuple[Source, ...]
    ranker: CandidateGraph | None

    @property
    def provider(self) -> str:
        """What graphs run on, as onnxruntime names it; empty when the package has none that ranks."""
        return "" if self.ranker is None else self.ranker.provider


def open_package(path: Path, *, num_threads: int = 1, rows_per_run: int = 4, device: Device = "cpu") -> Package:
    """Open the package in this directory and warm its graphs up; PackageError names the file or field at fault.

    A search of a space and a run of a graph take `num_threads` threads. Graphs over candidates run one request at a
    time, others `rows_per_run` rows at a time. A listed file that nothing uses is verified and no more: a package may
    hold a licence or a model card.
    """
    entry = read_manifest(path)
    check_sources(entry)
    spaces_files = tuple(layout.vectors_file(space.name) for space in entry.spaces)
    ranker_files = (layout.graph_file(layout.RANKER),) if entry.HasField("ranker") else ()
    needed = (layout.GOLDEN, *layout.item_files(), *spaces_files, *files_of_sources(entry), *ranker_files)
    require_listed(entry, needed)
    verify_files(path, entry)
    golden = read_golden(path)
    catalog = open_items(path, entry.items)
    spaces = {space.name: open_space(path, space, catalog.num_items, num_threads) for space in entry.spaces}
    probe_graphs(list(graphs_to_probe(path, entry, rows_per_run)))
    graphs = {
        name: _open_graph(path, name, entry, graph, rows_per_run, num_threads, device)
        for name, graph in graphs_of(entry).items()
    }
    features = FeatureBuilder(catalog, spaces)
    parts = Parts(root=path, manifest=entry, catalog=catalog, spaces=spaces, graphs=graphs, features=features)
    return Package(
        path=path,
        manifest=entry,
        golden=golden,
        catalog=catalog,
        spaces=MappingProxyType(spaces),
        sources=build_sources(parts),
        ranker=_ranker(parts),
    )


def _open_graph(
    root: Path,
    name: str,
    package: manifest_pb2.Manifest,
    entry: manifest_pb2.Graph,
    rows_per_run: int,
    num_threads: int,
    device: Device,
) -> Graph:
    sizes = Sizes.of(package)
    graph = Graph(root, name, entry, sizes, num_threads=num_threads, device=device)
    if not any(one.feature.is_candidate for one in graph.inputs):
        graph.rows_per_run = rows_per_run
    graph.warm_up()
    return graph


def _ranker(parts: Parts) -> CandidateGraph | None:
    if not parts.manifest.HasField("ranker"):
        return None
    graph = parts.graphs[layout.RANKER]
    graph.check_output(None, len(parts.manifest.ranker.heads))
    return CandidateGraph(graph, parts.features, parts.manifest.num_candidates)
