"""`shortlist demo`: the whole way from data to recommendations, each step a command that you could type."""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

READY_PREFIX = "serving "
STOP_TIMEOUT_S = 30.0
DEFAULT_DIR = Path("build/demo")


def demo(
    directory: Annotated[
        Path, typer.Option("--dir", help="Where data, package, server state and logs go.")
    ] = DEFAULT_DIR,
    user: Annotated[str, typer.Option(help="The user to recommend for.")] = "12347",
    k: Annotated[int, typer.Option(min=1, max=1000, help="How many items.")] = 10,
) -> None:
    """Train on the built-in shop data, start a server, ask it for recommendations, stop it.

    Leaves the package in DIR/package and the events in DIR/state; the last line says how to serve them again.
    """
    console = Console()
    started = time.monotonic()
    data, package, state = (str(directory / name) for name in ("data", "package", "state"))
    directory.mkdir(parents=True, exist_ok=True)

    step(console, "1/6  Real purchases of a UK gift shop, built in", "data", "copy", "online-retail", data)
    step(console, "2/6  Train and export to ONNX", "train", "--recipe", "hybrid", "--data", data, "--out", package)
    scores = str(directory / "evaluation.json")
    arguments: tuple[str, ...] = ("--package", package, "--data", data, "--protocol", "global_time", "--json", scores)
    step(console, "3/6  Evaluate on the days after training", "evaluate", *arguments)
    serve = ("serve", "--package", package, "--state", state, "--port", "0")
    _title(console, "4/6  Serve", *serve)
    with server(serve, directory / "server.log") as target:
        console.print(f"listening on {target}")
        rejects = str(directory / "events.rejects.csv")
        arguments = ("--target", target, "--data", data, "--rejects", rejects)
        step(console, "5/6  Record what every user did", "events", "import", *arguments)
        arguments = ("--target", target, "--user", user, "--k", str(k), "--diversity", "0.2")
        step(console, f"6/6  Recommend for user {user}", "recommend", *arguments)
    print(f"\nDone in {time.monotonic() - started:.0f} s. Serve it again, events and all:")
    print(shlex.join([*_program(), "serve", "--package", package, "--state", state]))


def step(console: Console, heading: str, *arguments: str) -> None:
    """Run one command to its end, its output shown as it comes."""
    _title(console, heading, *arguments)
    finished = subprocess.run(_command(*arguments), check=False)
    if finished.returncode != 0:
        print(f"error: the demo stopped: `shortlist {shlex.join(arguments)}` failed", file=sys.stderr)
        raise typer.Exit(finished.returncode)


def _title(console: Console, heading: str, *arguments: str) -> None:
    command = escape(f"$ shortlist {shlex.join(arguments)}")
    console.print(f"\n[bold]{escape(heading)}[/bold]\n[dim]{command}[/dim]", soft_wrap=True)
    sys.stdout.flush()


def _program() -> list[str]:
    """How the user called `shortlist`."""
    return ["python", "-m", "shortlist.cli"] if Path(sys.argv[0]).name == "__main__.py" else [sys.argv[0]]


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "shortlist.cli", *arguments]


@contextmanager
def server(arguments: Sequence[str], log: Path) -> Iterator[str]:
    """Run `shortlist serve` on a free port; gives HOST:PORT once it serves, stops it on the way out."""
    with log.open("w") as log_file:
        process = subprocess.Popen(_command(*arguments), stdout=subprocess.PIPE, stderr=log_file, text=True)
        try:
            yield _wait_until_ready(process, log)
        finally:
            _stop(process)


def _wait_until_ready(process: "subprocess.Popen[str]", log: Path) -> str:
    """Read the server's output up to the line `serving PACKAGE on HOST:PORT`."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(READY_PREFIX):
            return line.rpartition(" on ")[2].strip()
    last = log.read_text("utf-8", errors="replace").strip().rpartition("\n")[2]
    print(f"error: the server did not start: {last} (see {log})", file=sys.stderr)
    raise typer.Exit(1)


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
