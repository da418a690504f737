"""What comes between candidates and the final order, and neighbourhoods, beside their peers in one run.

    cd kernels && ../.venv/bin/python -m benchmarks.ranking [--only fusion diversity] [--rounds 7] [--quick]

Those compared take turns on the same data; times are medians. Prints tables; writes ranking.json and ranking.png (with
matplotlib). A peer that is not installed is left out; `make bench` installs all of them.

race.py       one task, timed; each section is a module with `races`
diversity.py  re-ranking: MMR and DPP
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import diversity, fusion, machine, neighbours, rules
from benchmarks.race import OURS, Finish, Race, run

BUILD = Path(__file__).resolve().parents[2] / "build" / "bench"
QUICK_ROUNDS = 2
BAR_INCHES = 0.28

# Makes the races of a section one by one; small ones where `quick` is true.
Races = Callable[[bool], Iterator[Race]]
SECTIONS: dict[str, Races] = {
    "neighbours": neighbours.races,
    "fusion": fusion.races,
    "diversity": diversity.races,
    "rules": rules.races,
}


def print_finish(console: Console, finish: Finish) -> None:
    """One table."""
    table = Table(title=finish.title)
    table.add_column("")
    for heading in ("ms", "speed", "cores", "calls", "agrees"):
        table.add_column(heading, justify="right")
    for row in finish.rows:
        table.add_row(
            row.name,
            f"{row.median_s * 1e3:,.3f}",
            f"{row.speed:.2f}",
            f"{row.cores:.1f}",
            str(row.num_calls),
            f"{row.agreement:.2%}",
            style="bold" if row.ours else None,
        )
    console.print(table)


def draw(finishes: list[Finish], facts: str, path: Path) -> None:
    """Writes a PNG of all times, a panel per race; ImportError without matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    heights = [len(finish.rows) + 1 for finish in finishes]
    size = (8.0, BAR_INCHES * sum(heights) + 1.0)
    figure, panels = plt.subplots(len(finishes), 1, figsize=size, squeeze=False, height_ratios=heights, layout="tight")
    for panel, finish in zip(panels.flat, finishes, strict=True):
        rows = finish.rows[::-1]
        times_ms = [row.median_s * 1e3 for row in rows]
        bars = panel.barh(
            [row.name for row in rows], times_ms, color=["C0" if row.name.startswith(OURS) else "C7" for row in rows]
        )
        panel.bar_label(bars, [f"{time_ms:.3g} ms" for time_ms in times_ms], padding=3, fontsize="small")
        panel.set_xlim(0, 1.2 * max(times_ms))
        panel.set_title(finish.title, fontsize="small", loc="left")
        panel.tick_params(labelsize="small")
    figure.suptitle(f"Shorter is faster; {facts}", fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections; all unless given")
    add("--rounds", type=int, default=7, help="turns of each")
    add("--quick", action="store_true", help="small data and two rounds, to see that all works")
    add("--out", type=Path, default=BUILD, help="where ranking.json and ranking.png go")
    return parser.parse_args()


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Callable[[str], None]]:
    """A line at the bottom that says what runs now."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("")
        yield lambda text: shown.update(task, description=text)


def main() -> None:
    options = arguments()
    console, finishes, facts = Console(), list[Finish](), machine.facts()
    options.out.mkdir(parents=True, exist_ok=True)
    summary = f"{facts.cpu}, {facts.cores} cores, {facts.isa}"
    console.print(f"{summary}; load {facts.load:.1f}")
    with progress(console) as say:
        for section in options.only:
            say(f"{section}: making the data")
            for race in SECTIONS[section](options.quick):
                finishes.append(run(race, QUICK_ROUNDS if options.quick else options.rounds, say))
                print_finish(console, finishes[-1])
                written = {"machine": dataclasses.asdict(facts), "races": [dataclasses.asdict(one) for one in finishes]}
                (options.out / "ranking.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    if finishes and importlib.util.find_spec("matplotlib"):
        draw(finishes, summary, options.out / "ranking.png")
        console.print(f"wrote ranking.json and ranking.png in {options.out}")
    else:
        console.print(f"wrote ranking.json in {options.out}; no picture, as matplotlib is not installed")


if __name__ == "__main__":
    main()
