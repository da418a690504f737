"""`shortlist events`: what users did, on its way to a server."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from shortlist.client import Client
from shortlist.events_file import EventsFile, find_events_file

events = typer.Typer(help="Record what users did.", no_args_is_help=True)


@events.callback()
def group() -> None:
    """Keep `import` a subcommand although it is the only one."""


@events.command("import")
def import_events(
    target: Annotated[str, typer.Option(help="The server, as HOST:PORT.")],
    data: Annotated[Path, typer.Option(help="A data directory with events.csv or events.csv.gz.")],
    event_type: Annotated[str, typer.Option("--type", help="The type of events that name none.")] = "purchase",
    rejects: Annotated[Path, typer.Option(help="Where wrong rows go, with their line numbers.")] = Path(
        "events.rejects.csv"
    ),
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Events per message.")] = 5_000,
    timeout_s: Annotated[float, typer.Option(help="The deadline of each message, in seconds.")] = 30.0,
) -> None:
    """Record the events of a data directory. Running it twice records nothing twice."""
    try:
        file = EventsFile(find_events_file(data), rejects, batch_size=batch_size, default_type=event_type)
        num_recorded = send(file, target, timeout_s)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    print(f"{file.num_events:,} events sent, {num_recorded:,} of them new, {file.num_rejected:,} rows rejected")
    if file.num_rejected:
        print(f"rejected rows, with line numbers and reasons: {rejects}", file=sys.stderr)
    if not file.num_events:
        print(f"error: {file.path}: not one row is an event", file=sys.stderr)
        raise typer.Exit(2)


def send(file: EventsFile, target: str, timeout_s: float) -> int:
    """Record all of a file's events and show how far it is; returns how many were new."""
    num_recorded = 0
    columns = TextColumn("{task.completed:,} events"), BarColumn(), TimeElapsedColumn()
    with Client(target, timeout_s=timeout_s) as client, Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("recording", total=None)
        for batch in file:
            num_recorded += client.record_events(batch)
            progress.advance(task, len(batch))
    return num_recorded
