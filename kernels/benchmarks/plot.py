"""The picture of a run: queries per second by queries at once, a panel per catalogue."""

from pathlib import Path

from benchmarks.results import CaseResult, Run

PANEL_INCHES = (6.0, 4.2)


def draw(run: Run, path: Path) -> None:
    """Writes a PNG; ImportError without matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(2, len(run.cases))
    rows = -(-len(run.cases) // columns)
    size = (PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows + 1.2)
    figure, panels = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    names = list(dict.fromkeys(name for case in run.cases for name in _lines(case)))
    for panel, case in zip(panels.flat, run.cases, strict=False):
        for name, points in _lines(case).items():
            ours = name.startswith("shortlist")
            panel.plot(
                [num_queries for num_queries, _ in points],
                [rate for _, rate in points],
                label=name,
                color=f"C{names.index(name)}",
                marker="o",
                linewidth=2.5 if ours else 1.2,
                linestyle="--" if "approximate" in name else "-",
                zorder=3 if ours else 2,
            )
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        ticks = [batch.num_queries for batch in case.batches]
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.minorticks_off()
        panel.grid(visible=True, alpha=0.3)
        panel.set_title(f"{case.num_items:,} x {case.dim}, k = {case.k}")
        panel.set_xlabel("queries at once")
        panel.set_ylabel("queries per second")
    for panel in panels.flat[len(run.cases) :]:
        panel.set_visible(False)
    shown = {
        label: line for panel in panels.flat for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2 * columns, fontsize="small")
    figure.suptitle(f"Exact search, higher is faster\n{run.machine.cpu}, {run.machine.cores} cores", fontsize="medium")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _lines(case: CaseResult) -> dict[str, list[tuple[int, float]]]:
    lines: dict[str, list[tuple[int, float]]] = {}
    for batch in case.batches:
        for row in batch.rows:
            lines.setdefault(row.name, []).append((batch.num_queries, batch.num_queries / row.median_s))
    return lines
