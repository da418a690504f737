"""Running `shortlist` in tests as a user would, and what a run of the demo gave."""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PLAIN_TERMINAL = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "160"}


@dataclass(frozen=True)
class DemoRun:
    """A finished `shortlist demo`: where it worked, what it printed, and which processes it left behind."""

    directory: Path
    output: str
    errors: str
    exit_code: int
    left_behind: tuple[str, ...]

    @property
    def package(self) -> Path:
        return self.directory / "package"


def processes_about(directory: Path) -> tuple[str, ...]:
    """The command lines of all processes that name the directory."""
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return tuple(command for command in found if str(directory) in command)


def run_shortlist(
    *arguments: str, cwd: Path | None = None, timeout_s: float = 600
) -> "subprocess.CompletedProcess[str]":
    """Run one command as a user would, and keep what it prints."""
    return subprocess.run(
        [sys.executable, "-m", "shortlist.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | PLAIN_TERMINAL,
        timeout=timeout_s,
        check=False,
    )
