"""What a person types: `shortlist serve` and `shortlist package verify`.

Imported by every `shortlist` command, so the rest of the server is imported only when a command runs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from shortlist_server.catalog.package import Package

_BAD_INPUT = 2

package = typer.Typer(help="Look after model packages.", no_args_is_help=True)


@package.callback()
def group() -> None:
    """Keep `verify` a subcommand although it is the only one."""


def serve(
    package: Annotated[Path | None, typer.Option(help="The model package to serve.", show_default=False)] = None,
    models: Annotated[Path | None, typer.Option(help="A repository of further ONNX models (refused as yet).")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="8500")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port.", show_default="1")] = None,
    state: Annotated[
        Path | None, typer.Option(help="Directory where events are kept.", show_default="shortlist-state")
    ] = None,
    allow_plaintext: Annotated[
        bool | None, typer.Option("--allow-plaintext", help="Listen without TLS where other machines reach it.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings as TOML; flags win over it.")] = None,
) -> None:
    """Serve a model package over gRPC until SIGTERM or Ctrl-C.

    The package is verified before the port opens; a bad one is not served: one line, exit code 2.
    A signal before it serves ends it at once, with exit code 130 (Ctrl-C) or 143 (SIGTERM). Later, calls in flight are
    finished first; Ctrl-C again does not wait for them.
    """
    from shortlist_server.shutdown import end_on_signals

    end_on_signals()
    from shortlist.package import PackageError
    from shortlist_server.config import load_settings
    from shortlist_server.errors import StateError

    flags: dict[str, object] = {
        "package": package,
        "models": models,
        "host": host,
        "port": port,
        "workers": workers,
        "state": state,
        "allow_plaintext": allow_plaintext,
    }
    try:
        settings = load_settings(config, flags)
    except ValueError as error:
        _fail(error)
    from shortlist_server.app import serve as serve_until_stopped

    try:
        serve_until_stopped(settings)
    except PackageError as error:
        _fail(error.at(settings.package))
    except StateError as error:
        _fail(error)


@package.command()
def verify(directory: Annotated[Path, typer.Argument(help="The package directory.", show_default=False)]) -> None:
    """Check everything the server would check before serving: files, checksums, shapes, models, golden requests.

    Prints what the package holds. A fault is one line and exit code 2.
    """
    from shortlist.package import PackageError
    from shortlist_server.app import check_golden
    from shortlist_server.catalog.package import open_package
    from shortlist_server.logs import configure_logs

    configure_logs("critical")
    try:
        opened = open_package(directory)
        num_golden = check_golden(opened)
    except PackageError as error:
        _fail(error.at(directory))
    _print_contents(opened, num_golden)


def _print_contents(opened: Package, num_golden: int) -> None:
    from rich.console import Console

    from shortlist_server.catalog.describe import contents_tables, plain

    console = Console(soft_wrap=True)
    manifest = opened.manifest
    console.print(
        f"[bold]{manifest.id}[/bold]  {opened.catalog.num_items} items, licence {plain(manifest.data.licence)}"
    )
    for table in contents_tables(opened):
        console.print(table)
    counts = f"{len(manifest.files)} files, {num_golden} golden requests answered alike"
    console.print(f"sound: {counts}", highlight=False)


def _fail(error: Exception | str) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    raise typer.Exit(_BAD_INPUT)
