"""The pool of threads (threads.c), through the test entry of `_cpu`.

T tasks, P numbers of threads.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from shortlist_kernels.arrays import Int64
from shortlist_kernels.cpu import _cpu

MAX_THREADS = 64
CHILD_SECONDS = 60
FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
UNBLOCKABLE = {signal.SIGKILL, signal.SIGSTOP}

may_fork = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def run(num_threads: int, num_tasks: int, num_steps: int = 1) -> Int64:
    """Runs tasks, checks that each ran once on a number of its own, and returns the steps by number."""
    runs_T = np.zeros(num_tasks, np.int64)
    steps_P = np.zeros(max(num_threads, MAX_THREADS, 1) + 1, np.int64)
    _cpu.count_tasks(num_threads, num_steps, runs_T, steps_P)
    assert (runs_T == 1).all()
    assert steps_P.sum() == num_tasks * num_steps
    assert not steps_P[max(1, min(num_threads, num_tasks, MAX_THREADS)) :].any()
    return steps_P


def run_until_shared(num_threads: int) -> None:
    """Runs calls until a worker has taken part in one."""
    assert any(run(num_threads, 50, 100_000)[1:].any() for _ in range(200)), "no worker ever took a task"


def threads() -> set[Path]:
    """The threads of this process."""
    return set(Path("/proc/self/task").iterdir())


def exit_of_child(act: Callable[[], None]) -> int:
    """Forks; the child runs `act`. Returns its exit code: 0 when that went well, -14 when it hung."""
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_SECONDS)
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.mark.parametrize("num_threads", [-1, 0, 1, 2, 3, 8, 63, 64, 65, 1000])
@pytest.mark.parametrize("num_tasks", [1, 2, 3, 7, 64, 65, 1000])
def test_every_task_runs_once_under_a_number_of_its_own(num_threads: int, num_tasks: int) -> None:
    for num_steps in (1, 50):
        run(num_threads, num_tasks, num_steps)


def test_one_thread_is_the_caller_alone() -> None:
    assert run(1, 100)[0] == 100


def test_workers_take_part() -> None:
    run_until_shared(2)


def test_threads_beyond_the_cores_still_run_every_task_once() -> None:
    for _ in range(20):
        run(4 * (os.cpu_count() or 1), 200, 1000)


def test_many_callers_share_the_workers() -> None:
    def call(caller: int) -> None:
        for turn in range(100):
            run(2 + (caller + turn) % 7, 1 + (caller * turn) % 40, 200)

    with ThreadPoolExecutor(12) as callers:
        list(callers.map(call, range(12)))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_workers_stay_and_are_no_more_than_asked_for() -> None:
    def act() -> None:
        before = threads()
        for num_threads in (3, 2, 5, 5, 4):
            run(num_threads, 100)
        workers = threads() - before
        assert len(workers) == 4
        run(5, 100)
        assert threads() - before == workers

    assert exit_of_child(act) == 0


def leaves_signals(thread: Path) -> bool:
    """Whether a thread blocks every signal but the faults."""
    lines = (thread / "status").read_text("ascii").splitlines()
    bits = int(next(line for line in lines if line.startswith("SigBlk:")).split()[1], 16)
    return {number for number in range(1, 32) if bits >> (number - 1) & 1} == set(range(1, 32)) - FAULTS - UNBLOCKABLE


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="masks are read in /proc")
def test_workers_leave_signals_to_the_program_but_not_faults() -> None:
    def act() -> None:
        before = threads()
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR1})
        run(3, 100)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == {signal.SIGUSR1}
        workers = threads() - before
        assert len(workers) == 2
        # A thread sets its mask as it starts, so give it time: other calls.
        assert any(run(3, 100).any() and all(map(leaves_signals, workers)) for _ in range(100_000))

    assert exit_of_child(act) == 0


@may_fork
def test_parent_and_child_both_work_after_a_fork() -> None:
    run_until_shared(4)
    for _ in range(10):
        assert exit_of_child(lambda: run_until_shared(4)) == 0
        run(4, 100)
    run_until_shared(4)


@may_fork
def test_a_child_of_a_child_works() -> None:
    def act() -> None:
        run_until_shared(3)
        assert exit_of_child(lambda: run_until_shared(3)) == 0

    run_until_shared(3)
    assert exit_of_child(act) == 0


@may_fork
def test_a_fork_while_other_threads_are_in_calls_leaves_both_sides_working() -> None:
    stop = threading.Event()

    def call(num_threads: int) -> int:
        calls = 0
        while not stop.is_set():
            run(num_threads, 8, 20)
            calls += 1
        return calls

    with ThreadPoolExecutor(3) as callers:
        running = [callers.submit(call, num_threads) for num_threads in (2, 3, 5)]
        try:
            exits = [exit_of_child(lambda: run_until_shared(5)) for _ in range(40)]
        finally:
            stop.set()
        assert all(future.result() > 0 for future in running)
    assert exits == [0] * 40
    run_until_shared(5)


EXITS = """
import importlib.util, os, sys, threading
import numpy as np
spec = importlib.util.spec_from_file_location("shortlist_kernels.cpu._cpu", sys.argv[1])
_cpu = importlib.util.module_from_spec(spec)
spec.loader.exec_module(_cpu)

def call(forever):
    while True:
        _cpu.count_tasks(4, 1000, np.zeros(50, np.int64), np.zeros(4, np.int64))
        if not forever:
            return

call(False)
threading.Thread(target=call, args=(True,), daemon=True).start()
child = os.fork()
call(False)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_and_its_child_exit_while_workers_and_a_call_are_alive() -> None:
    command = [sys.executable, "-W", "ignore", "-c", EXITS, str(_cpu.__file__)]
    for _ in range(5):
        assert subprocess.run(command, timeout=CHILD_SECONDS, check=False).returncode == 0


RLIMITED = """
import importlib.util, os, resource, sys
import numpy as np
spec = importlib.util.spec_from_file_location("shortlist_kernels.cpu._cpu", sys.argv[1])
_cpu = importlib.util.module_from_spec(spec)
spec.loader.exec_module(_cpu)

def new_threads():
    runs, steps = np.zeros(100, np.int64), np.zeros(8, np.int64)
    _cpu.count_tasks(8, 10, runs, steps)
    assert (runs == 1).all() and steps.sum() == 1000, steps
    return len(os.listdir("/proc/self/task")) - before

before = len(os.listdir("/proc/self/task"))
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + (1 << 20), resource.RLIM_INFINITY))  # less than one stack
assert [new_threads(), new_threads()] == [0, 0]
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert new_threads() == 7
"""


@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer dies without memory")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read in /proc")
def test_the_caller_does_all_while_no_thread_can_be_made() -> None:
    command = [sys.executable, "-c", RLIMITED, str(_cpu.__file__)]
    assert subprocess.run(command, timeout=CHILD_SECONDS, check=False).returncode == 0
