"""The memory of an index, measured in a process of its own: C allocates too, so only the system knows.

Run by `measure`; prints one JSON object of byte counts.
"""

import argparse
import gc
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.cases import Case, unit_rows
from benchmarks.results import Memory
from shortlist_kernels import VectorIndex

RESET_PEAK = "5"  # what proc(5) has written to clear_refs
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure(case: Case, num_threads: int) -> Memory:
    """Starts the process for a case."""
    command = [sys.executable, "-m", "benchmarks.memory", str(case.num_items), str(case.dim), str(case.k)]
    command += [str(num_threads), *map(str, case.queries_at_once)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(finished.stdout)
    rows_bytes = case.num_items * case.dim * np.dtype(np.float32).itemsize
    peak = found["adding_peak"]
    return Memory(
        index_ratio=found["index"] / rows_bytes,
        resident_ratio=found["resident"] / rows_bytes,
        adding_peak_ratio=None if peak is None else peak / rows_bytes,
        search_peak_bytes=found["search_peaks"],
    )


def resident(field: str) -> int:
    """Bytes now in memory ("VmRSS") or the most since the last reset ("VmHWM")."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def reset_peak() -> bool:
    """Starts VmHWM anew; False where the system forbids it."""
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def main() -> None:
    """The measuring process."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("num_items", "dim", "k", "num_threads"):
        parser.add_argument(name, type=int)
    parser.add_argument("queries_at_once", type=int, nargs="+")
    options = parser.parse_args()
    vectors_ND = unit_rows(options.num_items, options.dim, seed=0)
    queries_QD = unit_rows(max(options.queries_at_once), options.dim, seed=1)
    ids_N = np.arange(options.num_items)
    index = VectorIndex(options.dim)
    gc.collect()
    before, known = resident("VmRSS"), reset_peak()
    index.add(ids_N, vectors_ND)
    after, peak = resident("VmRSS"), resident("VmHWM")
    peaks: dict[int, int | None] = {}
    for num_queries in options.queries_at_once:
        start, known = resident("VmRSS"), reset_peak()
        index.search(queries_QD[:num_queries], options.k, num_threads=options.num_threads)
        peaks[num_queries] = resident("VmHWM") - start if known else None
    sizes = {"index": index.statistics()["num_bytes"], "resident": after - before, "search_peaks": peaks}
    print(json.dumps({**sizes, "adding_peak": peak - before if known else None}))


if __name__ == "__main__":
    main()
