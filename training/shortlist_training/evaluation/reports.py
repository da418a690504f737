"""Tables on the terminal, and the report as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shortlist_training.data.reader import RawData, summary_rows
from shortlist_training.errors import InputError
from shortlist_training.evaluation.evaluate import Report


def print_rows(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """One table of text."""
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_data(data: RawData) -> None:
    """What a data directory holds, and the notes of the reader."""
    print_rows("data", ("what", "value"), summary_rows(data))
    for note in data.notes:
        Console().print(f"note: {note}", highlight=False, soft_wrap=True)


def print_report(report: Report) -> None:
    """Metrics by scorer, the protocol, and the comparison with the best single source."""
    metrics = list(next(iter(report.results.values())))
    table = Table("scorer", title=f"{report.package_id}, {report.num_users:,} users", title_justify="left")
    for name in metrics:
        table.add_column(name, justify="right")
    for scorer, values in report.results.items():
        table.add_row(scorer, *(f"{values[name]:.4f}" for name in metrics))
    console = Console()
    console.print(table)
    protocol = ", ".join(f"{name} {value}" for name, value in report.protocol.items())
    console.print(f"protocol: {protocol}", highlight=False, soft_wrap=True)
    if report.num_users < report.num_active_users:
        console.print(
            f"note: {report.num_active_users:,} users have a history and a new item in the period; "
            f"{report.num_users:,} of them count, as the target is {report.protocol['target']}",
            highlight=False,
            soft_wrap=True,
        )
    if report.num_unknown_targets:
        console.print(
            f"{report.num_unknown_targets:,} of the items taken are not in the package: they count as missed",
            highlight=False,
            soft_wrap=True,
        )
    result = report.comparison
    console.print(
        f"funnel - {result.best_source} (best single source), {metrics[0]}: {result.difference:+.4f}, "
        f"95 % interval [{result.low:+.4f}, {result.high:+.4f}] (paired bootstrap over users)",
        highlight=False,
        soft_wrap=True,
    )


def write_report(report: Report, path: Path) -> None:
    """The report as JSON."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: the report cannot be written there ({error.strerror})") from error
