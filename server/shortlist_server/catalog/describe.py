"""What a package holds, as tables for a person to read."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from shortlist.package.strings import clean
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.vocabulary import FUSION_METHODS
from shortlist_server.catalog.package import Package
from shortlist_server.inference.graph import graphs_of


def contents_tables(package: Package) -> list[Table]:
    """The files, sources, graphs and measured metrics of a package, one table each."""
    entry = package.manifest
    return [_files(entry), _sources(package), _graphs(entry), *map(_metrics, entry.evaluations)]


def plain(text: str) -> str:
    """Any text of a manifest, safe to print: what a terminal or rich would act upon is only shown."""
    return escape(clean(text))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _files(entry: manifest.Manifest) -> Table:
    table = _table("files", "path", "role", "bytes", "sha256")
    for file in entry.files:
        table.add_row(plain(file.path), plain(file.role), f"{file.num_bytes:,}", f"{file.sha256[:12]} ok")
    return table


def _sources(package: Package) -> Table:
    method = next(name for name, number in FUSION_METHODS.items() if number == package.manifest.fusion.method)
    table = _table(f"sources, fused by {method}", "name", "family", "weight", "from")
    for source in package.sources:
        is_fallback = source.name == package.manifest.fallback_source
        origin = f"{source.describe()}; fallback" if is_fallback else source.describe()
        table.add_row(source.name, plain(source.family), f"{source.weight:g}", plain(origin))
    return table


def _graphs(entry: manifest.Manifest) -> Table:
    table = _table("graphs", "name", "inputs", "output", "max history")
    for name, graph in graphs_of(entry).items():
        inputs = "\n".join(plain(one.feature) for one in graph.inputs)
        table.add_row(name, inputs, plain(graph.output), str(graph.max_history or "-"))
    return table


def _metrics(evaluation: manifest.Evaluation) -> Table:
    """Numbers of the validation split, which chose the settings, are not those of the test split: the title tells."""
    table = _table(plain(f"metrics, {evaluation.protocol}, {evaluation.split} split"), "scorer", "metrics")
    for result in evaluation.results:
        measured = ", ".join(f"{metric.name} {metric.value:.4f}" for metric in result.metrics)
        table.add_row(plain(result.scorer), plain(measured))
    return table
