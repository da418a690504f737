"""What a package holds, as tables for a person to read."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from shortlist_server.catalog.manifest import Manifest
from shortlist_server.catalog.manifest_parts import Evaluation


def contents_tables(manifest: Manifest) -> list[Table]:
    """The files, sources, models and measured metrics that the manifest names, one table each."""
    metrics = [_metrics(evaluation) for evaluation in manifest.evaluation]
    return [_files(manifest), _sources(manifest), _models(manifest), *metrics]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _files(manifest: Manifest) -> Table:
    table = _table("files", "path", "role", "bytes", "sha256")
    for entry in manifest.files:
        table.add_row(escape(entry.path), escape(entry.role), f"{entry.bytes:,}", f"{entry.sha256[:12]} ok")
    return table


def _sources(manifest: Manifest) -> Table:
    table = _table(f"sources, fused by {manifest.fusion.method}", "name", "type", "weight", "from")
    for source in manifest.sources:
        match source.type:
            case "two_tower":
                origin = f"model {source.model}, vectors {source.vectors} ({source.metric})"
            case "item_neighbours":
                origin = f"neighbours {source.neighbours}, history decay {source.history_decay:g}"
            case "popular":
                origin = "popularity of the items"
        table.add_row(source.name, source.type, f"{source.weight:g}", origin)
    return table


def _models(manifest: Manifest) -> Table:
    table = _table("models", "role", "inputs", "outputs")
    for spec in manifest.models:
        inputs = [f"{tensor.feature} [{', '.join(map(str, tensor.shape))}]" for tensor in spec.inputs]
        outputs = [f"{tensor.name} [{', '.join(map(str, tensor.shape))}]" for tensor in spec.outputs]
        table.add_row(spec.role, escape("\n".join(inputs)), escape("\n".join(outputs)))
    return table


def _metrics(evaluation: Evaluation) -> Table:
    """Numbers of the validation window, which chose the settings, are not those of the test window: the title tells."""
    protocol = evaluation.protocol
    window = f", {protocol['window']} window" if "window" in protocol else ""
    table = _table(escape(f"metrics, {protocol['name']}{window}"), "scorer", "metrics")
    for result in evaluation.results:
        measured = [f"{name} {value:.4f}" for name, value in result.metrics.items() if value is not None]
        table.add_row(escape(result.scorer), escape(", ".join(measured)))
    return table
