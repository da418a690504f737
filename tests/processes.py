"""Processes that tests start and send signals to."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def start_process(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
    """Like `subprocess.Popen` with text pipes, but SIGINT has its default action in the new process.

    A shell starts background jobs with SIGINT ignored, and who is started by them inherits that: Ctrl-C would do
    nothing to the processes of `make test &`.
    """
    # `env` becomes the command. A function to call between fork and exec would fork this process, with all its threads.
    return subprocess.Popen(
        ["env", "--default-signal=INT", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
