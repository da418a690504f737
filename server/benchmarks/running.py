"""A server process to measure: on a free port, with an empty store, gone when the measurement is over."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shortlist_server.listen import Ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers: its process (with several workers, their supervisor), HOST:PORT, and how long it took
    from the start of the process to the line that says so.
    """

    process: subprocess.Popen[str]
    address: str
    start_s: float


@contextlib.contextmanager
def server(package: Path, *, workers: int) -> Iterator[Running]:
    """Serve the package. Ends the program when the server does not start; what is wrong is on standard error then."""
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "shortlist_server", "--package", str(package), "--state", state, "--port", "0"]
        started_s = time.perf_counter()
        process = subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            try:
                ready = Ready.parse(process.stdout.readline())
            except ValueError:
                sys.exit("error: the server did not start")
            yield Running(process=process, address=ready.address, start_s=time.perf_counter() - started_s)
        finally:
            process.terminate()
            process.communicate()
