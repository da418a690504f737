"""What a large catalogue costs: seconds to write, verify and start, and the memory of one worker and of a second.

    python server/benchmarks/footprint.py --items 1000000 5000000

Writes synthetic packages of 64 dimensions (search_package.py), serves each with one worker and with two, sends requests
to all of them, and reads /proc. Resident counts every page that a worker touched; proportional shares pages by those
who map them, so that the sum over workers is what the machine holds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import shortlist
from benchmarks.running import server

WRITER = Path(__file__).with_name("search_package.py")
MIB = 1 << 20
NUM_REQUESTS = 300  # over fresh connections, so that every worker answers some


def workers_of(pid: int) -> list[int]:
    """The processes that serve: the children of a supervisor that run the server, or the process itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    serving = [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]
    return serving or [pid]


def memory_of(pid: int) -> dict[str, float]:
    """MiB resident, proportional and private of a process."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0]) * 1024 / MIB
    return {
        "resident": fields["Rss"],
        "proportional": fields["Pss"],
        "private": fields["Private_Clean"] + fields["Private_Dirty"],
    }


def ask(target: str, item_ids: list[str]) -> None:
    """Send requests over one connection after the other, so that the kernel spreads them over the workers."""
    for number in range(NUM_REQUESTS):
        with shortlist.Client(target, timeout_s=60.0) as client:
            history = [item_ids[(number * 7919 + step * 104_729) % len(item_ids)] for step in range(10)]
            client.recommend(history=history, k=10, explain="brief")


def measure(package: Path, num_items: int) -> dict[str, Any]:
    """Start-up and memory of one worker and of two, after requests."""
    item_ids = [f"item-{row:08d}" for row in range(num_items)]
    result: dict[str, Any] = {"items": num_items}
    for workers in (1, 2):
        with server(package, workers=workers) as running:
            ask(running.address, item_ids)
            memories = [memory_of(pid) for pid in workers_of(running.process.pid)]
        assert len(memories) == workers
        result[f"start_s_{workers}"] = running.start_s
        result[f"memory_{workers}"] = memories
    one, two = result["memory_1"], result["memory_2"]
    result["second_adds"] = sum(memory["proportional"] for memory in two) - one[0]["proportional"]
    return result


def timed(command: list[str]) -> float:
    """Seconds of a command that must end well."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def table_of(results: list[dict[str, Any]]) -> Table:
    table = Table(title="a catalogue of 64 dimensions: seconds, and MiB after requests")
    headings = ("items", "package", "write", "verify", "start 1", "start 2", "resident", "proportional", "second adds")
    for heading in headings:
        table.add_column(heading, justify="right")
    for result in results:
        one = result["memory_1"][0]
        seconds = (result["write_s"], result["verify_s"], result["start_s_1"], result["start_s_2"])
        memory = (one["resident"], one["proportional"], result["second_adds"])
        table.add_row(
            f"{result['items']:,}",
            f"{result['package_mib']:,.0f}",
            *(f"{value:.1f}" for value in seconds),
            *(f"{value:,.0f}" for value in memory),
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--directory", type=Path, help="where packages are written; by default they are not kept")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.directory or Path(temporary)
        for num_items in arguments.items:
            package = directory / f"package-{num_items}"
            write = [sys.executable, str(WRITER), "--items", str(num_items), "--dim", "64", "--sources", "all"]
            write_s = timed([*write, "--out", str(package)])
            verify_s = timed([sys.executable, "-m", "shortlist.cli", "package", "verify", str(package)])
            size = sum(file.stat().st_size for file in package.rglob("*") if file.is_file()) / MIB
            results.append(
                {**measure(package, num_items), "package_mib": size, "write_s": write_s, "verify_s": verify_s}
            )
    Console().print(table_of(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
