"""How many searches a second one client gets, and 64 at once, whose queries share scans of the vectors.

    python server/benchmarks/search_service.py

Makes a package of random unit vectors under build/bench/search, starts a server process, and measures it with one
client and with many, in turns, several rounds of each. Each client has a connection and one request of one query in
flight. The clients live in a few processes (search_load.py) that neither build requests nor parse replies while they
measure; "client cpu" is what the busiest of them took of a core. Every reply must have the bytes a lone client got.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.running import server
from shortlist_kernels import isa_info

LOAD, PACKAGE = (Path(__file__).with_name(name) for name in ("search_load.py", "search_package.py"))
WARM_UP_S = 1.0


def package_of(folder: Path, num_items: int, dim: int) -> Path:
    """The package in this folder, made if it is not there yet."""
    package = folder / f"{num_items}x{dim}"
    if not package.exists():
        command = [sys.executable, str(PACKAGE), "--items", str(num_items), "--dim", str(dim), "--out", str(package)]
        subprocess.run(command, check=True)
    return package


class Clients:
    """The processes of the clients."""

    def __init__(self, target: str, arguments: argparse.Namespace) -> None:
        command = [sys.executable, str(LOAD), "--target", target, "--dim", str(arguments.dim), "--k", str(arguments.k)]
        self._processes = [
            subprocess.Popen(
                [*command, "--number", str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for number in range(arguments.processes)
        ]

    def measure(self, clients: int, seconds: float, *, rows_only: bool) -> dict[str, Any]:
        """One round: searches a second, latencies, digests of the replies by query, load of the busiest process."""
        shares = [len(range(number, clients, len(self._processes))) for number in range(len(self._processes))]
        for process, share in zip(self._processes, shares, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps({"clients": share, "seconds": seconds, "rows_only": rows_only}) + "\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for process in self._processes if process.stdout is not None]
        latencies = [latency for answer in answers for latency in answer["latencies_ms"]]
        digests: dict[str, set[str]] = {}
        for answer in answers:
            for query, found in answer["digests"].items():
                digests.setdefault(query, set()).update(found)
        busiest = max(answer["cpu_s"] for answer in answers) / seconds
        return {"rate": len(latencies) / seconds, "latencies_ms": latencies, "digests": digests, "busiest": busiest}

    def close(self) -> None:
        for process in self._processes:
            process.communicate()


def compare(clients: Clients, arguments: argparse.Namespace, *, rows_only: bool) -> list[dict[str, Any]]:
    """One client and many, in turns. Ends the program when a reply differs from that of a lone client."""
    counts = (1, arguments.clients)
    for count in counts:
        clients.measure(count, WARM_UP_S, rows_only=rows_only)
    rounds: dict[int, list[dict[str, Any]]] = {count: [] for count in counts}
    for _ in range(arguments.rounds):
        for count in counts:
            rounds[count].append(clients.measure(count, arguments.seconds, rows_only=rows_only))
    num_compared = _check_alike(rounds[1], rounds[arguments.clients])
    return [{"rows_only": rows_only, "compared": num_compared, **_summary(count, rounds[count])} for count in counts]


def _check_alike(alone: list[dict[str, Any]], together: list[dict[str, Any]]) -> int:
    """How many queries were answered in both ways, always alike."""
    digests: list[dict[str, set[str]]] = []
    for rounds in (alone, together):
        merged: dict[str, set[str]] = {}
        for one in rounds:
            for query, found in one["digests"].items():
                merged.setdefault(query, set()).update(found)
        digests.append(merged)
    for query in digests[0].keys() & digests[1].keys():
        if len(digests[0][query] | digests[1][query]) != 1:
            sys.exit(f"error: query {query} got different replies alone and in company")
    return len(digests[0].keys() & digests[1].keys())


def _summary(count: int, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    latencies_ms = np.concatenate([one["latencies_ms"] for one in rounds])
    return {
        "clients": count,
        "searches": len(latencies_ms),
        "searches_per_second": statistics.median(one["rate"] for one in rounds),
        "rates": [one["rate"] for one in rounds],
        **{f"p{at}_ms": float(np.percentile(latencies_ms, at)) for at in (50, 95, 99)},
        "busiest_client_process": statistics.median(one["busiest"] for one in rounds),
    }


def print_table(console: Console, runs: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    cores = len(os.sched_getaffinity(0))
    size = f"{arguments.items} x {arguments.dim}, k={arguments.k}, {isa_info()['isa']}, {cores} cores"
    table = Table(title=f"Search, {size}, {arguments.processes} client processes")
    headings = ("reply", "clients", "per s", "ratio", "p50 ms", "p95 ms", "p99 ms", "client cpu")
    for heading in headings:
        table.add_column(heading, justify="right")
    for alone, together in zip(runs[::2], runs[1::2], strict=True):
        for run in (alone, together):
            table.add_row(
                "rows" if run["rows_only"] else "rows, ids",
                str(run["clients"]),
                f"{run['searches_per_second']:.1f}",
                f"{run['searches_per_second'] / alone['searches_per_second']:.2f}",
                *(f"{run[f'p{at}_ms']:.1f}" for at in (50, 95, 99)),
                f"{run['busiest_client_process']:.0%}",
            )
    console.print(table)
    compared = min(run["compared"] for run in runs)
    console.print(f"{compared} queries were answered alone and in company: the same bytes", highlight=False)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--clients", type=int, default=64, help="how many at once, compared with one")
    parser.add_argument("--processes", type=int, default=4, help="processes in which the clients live")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("build/bench/search"), help="where the package is made")
    parser.add_argument("--json", type=Path, default=Path("build/bench/search.json"), help="where the figures go")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    package = package_of(arguments.folder, arguments.items, arguments.dim)
    with server(package, workers=arguments.workers) as running:
        clients = Clients(running.address, arguments)
        try:
            runs = [run for rows_only in (True, False) for run in compare(clients, arguments, rows_only=rows_only)]
        finally:
            clients.close()
    print_table(Console(), runs, arguments)
    arguments.json.write_text(json.dumps({"isa": isa_info()["isa"], "runs": runs}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
