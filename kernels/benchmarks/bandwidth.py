"""The machine's read bandwidth, by `probe.c`: compiled here and now for this processor."""

import ctypes
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("probe.c")
AHEAD_BYTES = 2048
PASS_BYTES = 64_000_000


class Probe:
    """Reads an array as large as the codes of a catalogue; `passes` times a call, so that starting threads is little.

    OSError if there is no C compiler, `subprocess.CalledProcessError` if it fails.
    """

    def __init__(self, num_bytes: int, num_threads: int, ahead_bytes: int = AHEAD_BYTES) -> None:
        self.passes = max(1, PASS_BYTES // num_bytes)
        self.bytes_read = num_bytes * self.passes
        self._array = np.ones(num_bytes, np.uint8)
        self._arguments = (ahead_bytes, self.passes, num_threads)
        self._read = _compiled().probe_read
        sizes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_int]
        self._read.argtypes = [ctypes.c_void_p, *sizes, ctypes.POINTER(ctypes.c_uint64)]

    def read(self) -> int:
        """Reads all; gives the sum."""
        total = ctypes.c_uint64()
        if not self._read(self._array.ctypes.data, self._array.size, *self._arguments, ctypes.byref(total)):
            raise RuntimeError("the probe could not start its threads")
        return total.value


def _compiled() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "probe.so"
        flags = ["-std=gnu11", "-O3", "-march=native", "-shared", "-fPIC", "-pthread"]
        subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", library, SOURCE], check=True)
        return ctypes.CDLL(str(library))  # stays mapped when the file is gone
