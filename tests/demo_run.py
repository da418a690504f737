"""Running `shortlist` in tests as a user would, and what a run of the demo gave."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PLAIN_TERMINAL = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "160"}


@dataclass(frozen=True)
class DemoRun:
    """A finished `shortlist demo`: where it worked and what it printed."""

    directory: Path
    output: str
    errors: str
    exit_code: int

    @property
    def package(self) -> Path:
        return self.directory / "package"


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
