"""`shortlist events`: what users did, on its way to a server."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from shortlist.client import Client
from shortlist.events import Rejects, find_events, read_batches
from shortlist.events.rejects import prepare
from shortlist.options import Event

events = typer.Typer(help="Record what users did.", no_args_is_help=True)


@events.callback()
def group() -> None:
    """Keep `import` a subcommand although it is the only one."""


@events.command("import")
def import_events(
    target: Annotated[str, typer.Option(help="The server, as HOST:PORT.")],
    data: Annotated[Path, typer.Option(help="A data directory: events.{csv,csv.gz,parquet}, or ratings of MovieLens.")],
    event_type: Annotated[
        str | None,
        typer.Option("--type", help="The type of events that name none. Default: purchase; rating for MovieLens."),
    ] = None,
    rejects: Annotated[Path, typer.Option(help="Where wrong rows go, with their line numbers.")] = Path(
        "events.rejects.csv"
    ),
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Events per message.")] = 5_000,
    timeout_s: Annotated[float, typer.Option(help="The deadline of each message, in seconds.")] = 30.0,
) -> None:
    """Record the events of a data directory. Running it twice records nothing twice."""
    refused = Rejects()
    try:
        path, known = find_events(data)
        prepare(rejects)
        try:
            batches = read_batches(path, known, refused, batch_size=batch_size, default_type=event_type)
            num_events, num_recorded = send(batches, target, timeout_s)
        finally:
            if len(refused):
                refused.write(rejects)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    print(f"{num_events:,} events sent, {num_recorded:,} of them new, {len(refused):,} rows rejected")
    if len(refused):
        print(f"rejected rows, with line numbers and reasons: {rejects}", file=sys.stderr)
    if not num_events:
        print(f"error: {path}: not one row is an event", file=sys.stderr)
        raise typer.Exit(2)


def send(batches: Iterator[list[Event]], target: str, timeout_s: float) -> tuple[int, int]:
    """Record all events and show how far it is; returns how many there were, and how many were new."""
    num_events = num_recorded = 0
    columns = TextColumn("{task.completed:,} events"), BarColumn(), TimeElapsedColumn()
    with Client(target, timeout_s=timeout_s) as client, Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("recording", total=None)
        for batch in batches:
            num_recorded += client.record_events(batch)
            num_events += len(batch)
            progress.advance(task, len(batch))
    return num_events, num_recorded
