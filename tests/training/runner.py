"""The commands in this process: loading torch anew for each refused option would take longer than the tests."""

import typer
from typer.testing import CliRunner, Result

from shortlist_training import commands

_APP = typer.Typer()
_APP.command("train")(commands.train)
_APP.command("evaluate")(commands.evaluate)
_APP.add_typer(commands.data, name="data")


def run_in_process(*arguments: str) -> Result:
    """Run one command; a traceback is an error of the test."""
    result = CliRunner(env={"COLUMNS": "160"}).invoke(_APP, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def one_line_error(*arguments: str) -> str:
    """The single line with which a command refuses, notes about the data aside."""
    finished = run_in_process(*arguments)
    assert finished.exit_code == 2, finished.output
    lines = [line for line in finished.stderr.splitlines() if not line.startswith(("note: ", "refused"))]
    assert len(lines) == 1, finished.stderr
    return lines[0]
