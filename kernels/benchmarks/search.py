"""Exact search beside its peers, in one run on the same data, threads and queries; then what only ours does.

    cd kernels && ../.venv/bin/python -m benchmarks.search [--case 1Mx128] [--queries 1 32] [--peers faiss] [--quick]

The searchers take turns, so that noise hits all alike; times are medians. Prints tables; writes search.json and
search.png (with matplotlib). `make bench` installs the peers and runs everything; it needs 5 GB of memory.

cases.py       what is searched
peers.py       who searches; contest.py: side by side; agreement.py: whether they found the same
timing.py      medians of calls that take turns
bandwidth.py   the read bandwidth, by probe.c
operations.py  filters, changes in place, topk
memory.py      bytes held, in a process of its own
machine.py     the facts; results.py: the figures; report.py: the tables; plot.py: the picture
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import contest, machine, memory, operations, peers, plot, report
from benchmarks.cases import CASES, QUICK, Case, unit_rows
from benchmarks.contest import Say, Settings
from benchmarks.results import Batch, CaseResult, Run
from shortlist_kernels import VectorIndex, available_cores, isa_info

BUILD = Path(__file__).resolve().parents[2] / "build" / "bench"
OPERATIONS_AT = (1, 32)
NUM_SCORES, QUICK_NUM_SCORES, NUM_SELECTED = 1_000_000, 20_000, 100
QUICK_ROUNDS = 2


class Screen(NamedTuple):
    """Where to print, and how to say what runs now."""

    console: Console
    say: Say


def measure(chosen: list[Case], run: Run, settings: Settings, options: argparse.Namespace, screen: Screen) -> None:
    """All cases, then `topk`; prints and writes on the way."""
    for case in chosen:
        result = CaseResult(case=case.name, num_items=case.num_items, dim=case.dim, k=case.k)
        run.cases.append(result)
        for batch in measure_case(case, result, settings, screen.say):
            report.print_batch(screen.console, result, batch)
            write(run, options.out)
        report.print_operations(screen.console, result)
        write(run, options.out)
    num_scores = QUICK_NUM_SCORES if options.quick else NUM_SCORES
    with_torch = "torch" in settings.peers
    run.selection = operations.select(num_scores, NUM_SELECTED, with_torch, settings.rounds, screen.say)
    report.print_selection(screen.console, run.selection, num_scores, NUM_SELECTED)
    write(run, options.out)


def measure_case(case: Case, result: CaseResult, settings: Settings, say: Say) -> Iterator[Batch]:
    """Fills in everything about one catalogue; gives each number of queries as soon as it is done."""
    say("making the data")
    vectors_ND = unit_rows(case.num_items, case.dim, seed=0)
    queries_QD = unit_rows(max(case.queries_at_once), case.dim, seed=1)
    index = VectorIndex(case.dim)
    index.add(np.arange(case.num_items), vectors_ND)
    contenders = list(contest.searchers(case, vectors_ND, index, settings, say))
    for num_queries in case.queries_at_once:
        result.batches.append(contest.compare(case, vectors_ND, queries_QD[:num_queries], contenders, settings, say))
        yield result.batches[-1]
    result.statistics = {**index.statistics()}
    for num_queries in (number for number in case.queries_at_once if number in OPERATIONS_AT):
        batch_QD = queries_QD[:num_queries]
        result.variants += operations.filtered(index, case, batch_QD, settings.num_threads, settings.rounds, say)
    say("changes in place")
    result.changes = operations.changes(index, case, settings.rounds)
    say("memory")
    if sys.platform == "linux":
        result.memory = memory.measure(case, settings.num_threads)


@contextlib.contextmanager
def screen() -> Iterator[Screen]:
    """The console, with a line at the bottom that says what runs now."""
    console = Console()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("")
        yield Screen(console, lambda text: progress.update(task, description=text))


def write(run: Run, directory: Path) -> None:
    """Writes the JSON; a run that is stopped leaves what it had."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dataclasses.asdict(run), indent=1)
    (directory / "search.json").write_text(text + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--case", nargs="+", choices=[case.name for case in CASES], help="catalogues; all unless given")
    add("--queries", type=int, nargs="+", help="numbers of queries at once, instead of the case's")
    add("--peers", nargs="+", choices=peers.BUILDERS, default=peers.installed(), help="all installed unless given")
    add("--hnswlib", action="store_true", help="an approximate graph too, as context, where building it is short")
    add(
        "--isa",
        nargs="+",
        choices=isa_info()["available"],
        default=[isa_info()["isa"]],
        help="ours, with each of these",
    )
    add("--rounds", type=int, default=7, help="turns of each searcher")
    add("--quick", action="store_true", help="one small catalogue and two rounds, to see that all works")
    add("--out", type=Path, default=BUILD, help="where search.json and search.png go")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    settings = Settings(
        isas=tuple(options.isa),
        peers=tuple(options.peers),
        hnswlib=options.hnswlib,
        rounds=QUICK_ROUNDS if options.quick else options.rounds,
        num_threads=available_cores(),
    )
    chosen = [QUICK] if options.quick else [case for case in CASES if not options.case or case.name in options.case]
    if options.queries:
        chosen = [dataclasses.replace(case, queries_at_once=tuple(options.queries)) for case in chosen]
    run = Run(machine=machine.facts(), settings=dataclasses.asdict(settings))
    with screen() as shown:
        report.print_machine(shown.console, run)
        measure(chosen, run, settings, options, shown)
    if importlib.util.find_spec("matplotlib"):
        plot.draw(run, options.out / "search.png")
        shown.console.print(f"wrote search.json and search.png in {options.out}")
    else:
        shown.console.print(f"wrote search.json in {options.out}; no picture, as matplotlib is not installed")


if __name__ == "__main__":
    main()
