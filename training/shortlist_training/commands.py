"""The commands `shortlist train`, `shortlist evaluate` and `shortlist data`.

Light at import: what takes long to load is imported inside the functions, so `--help` answers at once; torch and
onnxruntime only when the input has been checked, so a mistake is answered at once, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist_training.errors import GateError, InputError

if TYPE_CHECKING:
    from shortlist_training.data.dataset import Dataset
    from shortlist_training.data.reader import RawData

REFUSED = 1
BAD_INPUT = 2
INTERRUPTED = 130

data = typer.Typer(help="Built-in data sets, and a check of your own data.", no_args_is_help=True)

DataOption = Annotated[
    Path, typer.Option(help="Directory with events.{csv,csv.gz,parquet} and, optionally, items.*", show_default=False)
]


def train(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="The model package to write; an older package there is replaced.")],
    recipe: Annotated[str, typer.Option(help="What to train, and how: a name, or MODULE:FUNCTION.")] = "hybrid",
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn by chance.")] = 0,
    log_dir: Annotated[
        Path | None,
        typer.Option(help="Checkpoints and TensorBoard logs. Default: OUT.training beside the package."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the log directory.")] = False,
    all_data: Annotated[
        bool,
        typer.Option("--all-data", help="Fit on the test period too; the package then cannot be evaluated here."),
    ] = False,
) -> None:
    """Train the recipe's models on a data directory and write a model package."""
    with _one_line_errors():
        from rich.console import Console

        from shortlist_training.plan import make_plan
        from shortlist_training.recipes import find_recipe

        chosen = find_recipe(recipe)
        logs = log_dir or out.parent / f"{out.name}.training"
        dataset = _read(data, rejects=out.parent / f"{out.name}.rejects.csv")
        plan = make_plan(dataset, chosen, out, seed=seed, log_dir=logs, resume=resume, all_data=all_data)

        with _interrupted_as("interrupted: go on with --resume"):
            from shortlist_training import fit

            package_id = fit.train(plan, Console())
        typer.echo(f"package {package_id} written to {out}; logs: {logs}")


def evaluate(
    package: Annotated[Path, typer.Option(help="The model package to judge.", show_default=False)],
    data: DataOption,
    protocol: Annotated[str, typer.Option(help="How the numbers come about.")] = "global_time",
    json: Annotated[Path | None, typer.Option(help="Write the report there as JSON, too.")] = None,
    k: Annotated[int, typer.Option(min=1, max=100, help="Cut-off of the metrics.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Full-ranking metrics of a package on the test period of a data directory, with the protocol beside them."""
    with _one_line_errors(package):
        from shortlist_training.evaluation.evaluate import evaluate as judge
        from shortlist_training.evaluation.reports import print_report, write_report
        from shortlist_training.open_package import open_package
        from shortlist_training.protocols import find_protocol

        agreed = find_protocol(protocol)
        opened = open_package(package)
        dataset = _read(data, rejects=None)
        report = judge(opened, dataset, agreed, cutoff=k, seed=seed)
        print_report(report)
        if json is not None:
            write_report(report, json)


@data.command("list")
def list_built_in() -> None:
    """List the built-in data sets."""
    with _one_line_errors():
        from shortlist_training.datasets import built_in
        from shortlist_training.evaluation.reports import print_rows

        rows = [(name, d.description, d.licence) for name, d in built_in().items()]
        print_rows("built-in data sets", ("name", "description", "licence"), rows)


@data.command("copy")
def copy_built_in(
    name: Annotated[str, typer.Argument(help="A name from `shortlist data list`.")],
    directory: Annotated[Path, typer.Argument(help="Where to write it; made if needed.")],
) -> None:
    """Copy a built-in data set into a directory."""
    with _one_line_errors():
        from shortlist_training.datasets import copy

        for path in copy(name, directory):
            typer.echo(f"wrote {path}")


@data.command("check")
def check(
    directory: Annotated[Path, typer.Argument(help="The data directory.")],
    rejects: Annotated[Path | None, typer.Option(help="Write the refused rows there, with reasons.")] = None,
) -> None:
    """Read every row of a data directory, count what it holds and what was refused."""
    with _one_line_errors():
        from shortlist_training.data.reader import read_directory
        from shortlist_training.evaluation.reports import print_data

        raw = read_directory(directory)
        print_data(raw)
        _report_rejects(raw, directory, rejects)


@contextlib.contextmanager
def _one_line_errors(package: Path | None = None) -> Iterator[None]:
    from shortlist.package.errors import PackageError

    try:
        with _interrupted_as("interrupted"):
            yield
    except GateError as error:
        typer.echo(f"refused: {error}", err=True)
        raise typer.Exit(REFUSED) from None
    except PackageError as error:
        typer.echo(f"error: {error if package is None else error.at(package)}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from None


@contextlib.contextmanager
def _interrupted_as(message: str) -> Iterator[None]:
    # typer ends a KeyboardInterrupt that reaches it with code 130, but without a word.
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(message, err=True)
        raise typer.Exit(INTERRUPTED) from None


def _read(directory: Path, rejects: Path | None) -> Dataset:
    from shortlist_training.data.dataset import build_dataset
    from shortlist_training.data.reader import read_directory

    raw = read_directory(directory)
    for note in raw.notes:
        typer.echo(f"note: {note}", err=True)
    _report_rejects(raw, directory, rejects)
    return build_dataset(raw)


def _report_rejects(raw: RawData, directory: Path, path: Path | None) -> None:
    """Say how many rows were refused, where and why, and write them to the file or say how to."""
    for file, reason, count, lines in raw.rejects.by_reason():
        shown = ", ".join(map(str, lines)) + (", ..." if count > len(lines) else "")
        typer.echo(f"refused: {file}: {count} rows, {reason} (lines {shown})", err=True)
    if not len(raw.rejects):
        return
    if path is None:
        typer.echo(f"refused rows are not written: shortlist data check {directory} --rejects FILE does", err=True)
        return
    raw.rejects.write(path)
    typer.echo(f"refused rows written to {path}", err=True)
