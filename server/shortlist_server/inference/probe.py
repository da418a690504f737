"""Every graph of a package is tried in a process of its own before this one runs it.

A graph may loop for years, ask for terabytes or crash onnxruntime, at load already; none of that can be stopped from
inside a process. So a child loads and runs each graph once, under limits, on made-up inputs of the served shapes. That
is a guard, no proof: a graph may do on other inputs what it did not do on these.

The child is this module as a program: it reads one JSON document from standard input, and writes a JSON line to
standard output before each graph, so that the parent knows at which one it died, and one at the end.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.package import PackageError
from shortlist_server.inference.session import OnnxSession

# While a graph loads, its file is in memory three times: its bytes, the parsed message, onnxruntime's own copy.
COPIES_OF_FILE: Final = 3
# How long the child may take to start, on a machine that does nothing but swap; it takes a quarter of a second.
MAX_START_S: Final = 60

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_OUT_OF_MEMORY: Final = ("bad_alloc", "Failed to allocate memory", "MemoryError", "bad allocation")


class ProbeInput(NamedTuple):
    """An input of numbers: whole ones from 0 to `high`, all others from 0 to 1."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    high: int


class ProbedGraph(NamedTuple):
    """A graph file, its name in errors, and all inputs that it takes."""

    file: Path
    label: str
    inputs: tuple[ProbeInput, ...]


class Limits(NamedTuple):
    """What one graph may take, loading included.

    A file of 448 MiB loads in 3 s of processor time, and a graph that serves requests runs in milliseconds. The time
    on the clock is longer, so that a busy machine refuses nothing: it is for a graph that swaps, or that waits.
    """

    processor_s: int = 10
    wall_s: int = 20
    # Beside the copies of the file. 100 MiB are Python and onnxruntime; the rest is for inputs and what lies between
    # the layers. The attention of 8 heads over 64 histories of 200 items, say, is 78 MiB.
    memory_mib: int = 768


LIMITS: Final = Limits()


class _Death(NamedTuple):
    """How a child ended: what it had reported, its exit code (minus a signal), and the end of its standard error."""

    reports: list[dict[str, Any]]
    exit_code: int
    stderr: str


def probe_graphs(graphs: Sequence[ProbedGraph], limits: Limits = LIMITS) -> None:
    """Load and run every graph once, in a child process.

    Raises PackageError, naming the graph, for the first that does not load, does not run with these inputs, does not
    end, takes too much memory or kills its process; RuntimeError when the child itself does not work.
    """
    if not graphs:
        return
    death = _run_child(graphs, limits)
    last = death.reports[-1] if death.reports else {}
    if death.exit_code == 0 and last.get("ended"):
        return
    if "graph" not in last or death.exit_code > 0:
        raise RuntimeError(f"the process that tries graphs failed with code {death.exit_code}: {death.stderr}")
    graph = graphs[last["graph"]]
    raise PackageError(graph.label, last.get("reason") or _reason_of(death, graph, limits))


def _run_child(graphs: Sequence[ProbedGraph], limits: Limits) -> _Death:
    listed = [(str(graph.file), graph.label, graph.inputs) for graph in graphs]
    work = {"parent": os.getpid(), "limits": limits, "graphs": listed}
    # -P: modules come from where they are installed, never from the working directory.
    command = [sys.executable, "-P", "-m", "shortlist_server.inference.probe"]
    pipe = subprocess.PIPE
    # In a session of its own Ctrl-C in a terminal reaches this process only, which then ends the child.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as child:
        try:
            # The child has alarms of its own; this one is for a child that does not come as far as setting them.
            timeout_s = MAX_START_S + limits.wall_s * len(graphs)
            stdout, stderr = child.communicate(json.dumps(work).encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGALRM)
            stdout, stderr = child.communicate()
        finally:
            child.kill()
    reports = [json.loads(line) for line in stdout.splitlines()]
    return _Death(reports, child.returncode, stderr.decode(errors="replace").strip()[-500:])


def _reason_of(death: _Death, graph: ProbedGraph, limits: Limits) -> str:
    """Why a graph's process was killed, by the signal that did it."""
    if -death.exit_code == signal.SIGXCPU:
        return f"does not end within {limits.processor_s} s of processor time"
    if -death.exit_code == signal.SIGALRM:
        return f"does not end within {limits.wall_s} s"
    if any(sign in death.stderr for sign in _OUT_OF_MEMORY):
        return _too_much_memory(graph, limits)
    return f"kills onnxruntime ({signal.Signals(-death.exit_code).name})"


def _max_memory_mib(graph: ProbedGraph, limits: Limits) -> int:
    num_bytes = graph.file.stat().st_size if graph.file.exists() else 0
    return limits.memory_mib + COPIES_OF_FILE * (num_bytes >> 20)


def _too_much_memory(graph: ProbedGraph, limits: Limits) -> str:
    return f"takes more than {_max_memory_mib(graph, limits)} MiB of memory"


def main() -> None:
    """The child: try the graphs that standard input lists, report each on standard output."""
    # What onnxruntime prints is no report.
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    work = json.load(sys.stdin)
    _be_a_child_of(work["parent"])
    limits = Limits(*work["limits"])
    for number, (file, label, inputs) in enumerate(work["graphs"]):
        print(json.dumps({"graph": number}), file=reports)
        graph = ProbedGraph(Path(file), label, tuple(ProbeInput(*entry) for entry in inputs))
        reason = _try(graph, limits)
        if reason is not None:
            print(json.dumps({"graph": number, "reason": reason}), file=reports)
            return
    print(json.dumps({"ended": True}), file=reports)


def _be_a_child_of(parent: int) -> None:
    """End when the parent ends, however it does, and not before: it alone decides what a signal means."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has ended")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGXCPU, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGXCPU, signal.SIGALRM})
    _limit(resource.RLIMIT_CORE, 0)


def _try(graph: ProbedGraph, limits: Limits) -> str | None:
    """Load and run a graph under the limits: None, or why it is refused."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime) + limits.processor_s)
    # Not RLIMIT_AS: that counts address space which is only reserved, as malloc does for each thread.
    _limit(resource.RLIMIT_DATA, _max_memory_mib(graph, limits) << 20)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s)
    try:
        session = OnnxSession(graph.file, graph.label)
        session.run([output.name for output in session.outputs], {entry.name: _values(entry) for entry in graph.inputs})
    except (PackageError, RuntimeError, MemoryError) as error:
        line = f"{type(error).__name__}: {error}"
        if any(sign in line for sign in _OUT_OF_MEMORY):
            return _too_much_memory(graph, limits)
        reason = str(error).removeprefix(f"{graph.label}: ")
        return reason if isinstance(error, PackageError) else f"does not run: {reason}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _limit(kind: int, amount: int) -> None:
    """Set a limit of this process, below what it may set at most."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (amount if hard == resource.RLIM_INFINITY else min(amount, hard), hard))


def _values(entry: ProbeInput) -> NDArray[Any]:
    """The same numbers every time; the first whole one is the highest."""
    dtype, count = np.dtype(entry.dtype), np.arange(1 << 16)
    pattern = entry.high - count % (entry.high + 1) if dtype.kind in "iu" else count / count.size
    return np.resize(pattern.astype(dtype), entry.shape)


if __name__ == "__main__":
    main()
