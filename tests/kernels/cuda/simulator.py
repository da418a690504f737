"""A pytest plugin for runs in numba's simulator, loaded before anything that imports numba.

Mends a race of the simulator, and adds the instructions of a warp to it where SIMULATED_FORM is "warp".
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.cuda.simulator import kernelapi

WARP_SIZE = 32
PATIENCE_S = 60.0
_allocating = threading.Lock()


def _shared_array(self: Any, shape: Any, dtype: Any, alignment: None = None) -> Any:
    """One array per line of the kernel; numba makes two where two threads come first."""
    frame = sys._getframe(1)
    place = frame.f_code.co_filename, frame.f_lineno
    with _allocating:
        if place not in self._allocations:
            self._allocations[place] = np.empty(shape, dtype)
        return self._allocations[place]


class _Warp:
    """What the threads of a warp tell each other."""

    def __init__(self) -> None:
        self.values: list[Any] = [None] * WARP_SIZE
        self.barrier = threading.Barrier(WARP_SIZE, timeout=PATIENCE_S)

    def exchange(self, lane: int, value: Any) -> list[Any]:
        self.values[lane] = value
        self.barrier.wait()
        values = list(self.values)
        self.barrier.wait()
        return values


def _exchanged(value: Any) -> tuple[int, list[Any]]:
    """This thread's lane, and what all lanes of its warp hand in."""
    thread: Any = threading.current_thread()
    number, lane = divmod(thread.thread_id, WARP_SIZE)
    with _allocating:
        warps = thread._manager.__dict__.setdefault("warps", {})
        warp = warps.setdefault(number, _Warp())
    return lane, warp.exchange(lane, value)


def _ballot(module: Any, mask: int, predicate: Any) -> int:
    return sum(1 << lane for lane, said in enumerate(_exchanged(bool(predicate))[1]) if said)


def _shuffle(source: Callable[[int, int], int]) -> Callable[..., Any]:
    def shuffled(module: Any, mask: int, value: Any, argument: int) -> Any:
        lane, values = _exchanged(value)
        wanted = source(lane, int(argument))
        return values[wanted] if 0 <= wanted < WARP_SIZE else value

    return shuffled


kernelapi.FakeCUDAShared.array = _shared_array
if os.environ.get("SIMULATED_FORM") == "warp":
    kernelapi.FakeCUDAModule.ballot_sync = _ballot
    kernelapi.FakeCUDAModule.shfl_sync = _shuffle(lambda lane, source: source)
    kernelapi.FakeCUDAModule.shfl_up_sync = _shuffle(lambda lane, offset: lane - offset)
    kernelapi.FakeCUDAModule.shfl_down_sync = _shuffle(lambda lane, offset: lane + offset)
    kernelapi.FakeCUDAModule.shfl_xor_sync = _shuffle(lambda lane, mask: lane ^ mask)
sys.setswitchinterval(1e-4)  # the simulator polls its threads, and would hold them up for 5 ms each time
