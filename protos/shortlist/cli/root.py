"""The root command: which commands there are, and how their errors look."""

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, NoReturn

import typer

from shortlist import __version__
from shortlist.cli.demo import demo
from shortlist.cli.events import events
from shortlist.cli.recommend import recommend
from shortlist.errors import ShortlistError

GROUP = "shortlist.commands"


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the work failed, 2 bad input, 130 interrupted."""
    try:
        build_app()()
    except ShortlistError as error:
        fail(str(error), exit_code=1)
    except ModuleNotFoundError as error:
        fail(missing_extra(error), exit_code=2)
    except KeyboardInterrupt:
        fail("interrupted", exit_code=130)


def build_app() -> typer.Typer:
    """Make the root command with everything that is installed."""
    app = typer.Typer(
        name="shortlist",
        no_args_is_help=True,
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(options)
    app.command()(recommend)
    app.add_typer(events, name="events")
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        join(app, entry)
    app.command()(demo)
    return app


def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Train, package, serve and query recommender models."""
    if version:
        print(__version__)
        raise typer.Exit


def join(app: typer.Typer, entry: EntryPoint) -> None:
    """Add a command of another package; its module is light, what needs the extra is imported when it runs."""
    command = entry.load()
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=entry.name)
    else:
        app.command(name=entry.name)(command)


def missing_extra(error: ModuleNotFoundError) -> str:
    """Say which extra brings the module that the command on the command line lacks."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    extras = [extra for entry in entry_points(group=GROUP, name=name) for extra in entry.extras]
    if not extras or (error.name or "").startswith("shortlist"):
        raise error
    return f"`shortlist {name}` needs {error.name}, which is not installed: pip install 'shortlist[{extras[0]}]'"


def fail(message: str, *, exit_code: int) -> NoReturn:
    """Print one line to standard error and leave."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(exit_code)
