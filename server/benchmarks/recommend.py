"""How fast Recommend answers: one request in flight (latency, each stage) and 64 in flight (requests per second).

    python server/benchmarks/recommend.py --package build/demo/package

Starts a server process of its own, or measures the one at --target. The client is a third process (load.py).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.running import server

LOAD = Path(__file__).with_name("load.py")


def measure(target: str, arguments: argparse.Namespace, *, in_flight: int, requests: int) -> dict[str, Any]:
    """One run of the load generator."""
    command = [sys.executable, str(LOAD), "--target", target, "--package", str(arguments.package)]
    options = {
        "--in-flight": in_flight,
        "--requests": requests,
        "--k": arguments.k,
        "--diversity": arguments.diversity,
        "--explain": arguments.explain,
    }
    command += [str(part) for option in options.items() for part in option]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def print_tables(console: Console, runs: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    cores = len(os.sched_getaffinity(0))
    title = f"Recommend, k={arguments.k}, explain={arguments.explain}, diversity={arguments.diversity}, {cores} cores"
    table = Table(title=title)
    for heading in ("in flight", "requests", "requests/s", "median ms", "p99 ms", "degraded"):
        table.add_column(heading, justify="right")
    for run in runs:
        table.add_row(
            str(run["in_flight"]),
            str(run["requests"]),
            f"{run['requests_per_second']:.0f}",
            f"{run['median_ms']:.2f}",
            f"{run['p99_ms']:.2f}",
            str(run["degraded"]),
        )
    console.print(table)
    stages = Table(title="median ms of each stage (of the whole batch, where requests share one)")
    stages.add_column("stage")
    for run in runs:
        stages.add_column(f"{run['in_flight']} in flight", justify="right")
    for name in runs[0]["stage_median_ms"]:
        stages.add_row(name, *(f"{run['stage_median_ms'].get(name, 0.0):.3f}" for run in runs))
    console.print(stages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="the package to serve; its items fill the requests")
    parser.add_argument("--target", help="measure this running server instead of starting one")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--diversity", type=float, default=0.0)
    parser.add_argument("--explain", default="none")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        target = arguments.target
        if not target:
            target = stack.enter_context(server(arguments.package, workers=arguments.workers)).address
        runs = [
            measure(target, arguments, in_flight=1, requests=arguments.requests // 2),
            measure(target, arguments, in_flight=64, requests=arguments.requests),
        ]
    print_tables(Console(), runs, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(runs, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
