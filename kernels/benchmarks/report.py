"""The terminal's tables."""

from rich.console import Console
from rich.table import Table

from benchmarks.results import Batch, CaseResult, Memory, Row, Run

BUSY_SHARE = 0.25
LEGEND = """ms: median of one call. speed: the fastest exact peer's time by this one's. cores: CPU time by time.
agrees: share of our ids that it found, near-ties of float32 aside."""


def print_machine(console: Console, run: Run) -> None:
    """Before the figures: where they come from, and whether to trust them."""
    facts = run.machine
    console.print(f"{facts.cpu}, {facts.cores} cores, {facts.isa}")
    if facts.load > BUSY_SHARE * facts.cores:
        console.print(
            f"the load is {facts.load:.1f}: others compute here, and a row whose cores stay low was disturbed",
            style="yellow",
        )
    console.print(LEGEND)


def print_batch(console: Console, result: CaseResult, batch: Batch) -> None:
    """The searchers at one number of queries."""
    title = f"{result.num_items:,} x {result.dim}, k = {result.k}, {batch.num_queries} queries at once"
    console.print(_searches(title, batch))
    if batch.probe_bytes_per_s and batch.bandwidth_share:
        console.print(
            f"one query reads its codes at {batch.bandwidth_share:.0%} of the "
            f"{batch.probe_bytes_per_s / 1e9:.1f} GB/s that the probe reads"
        )


def print_operations(console: Console, result: CaseResult) -> None:
    """What only ours does."""
    if result.variants:
        console.print(_variants(result))
    console.print(_changes(result))
    if result.memory:
        console.print(_memory(result.memory))
    console.print(", ".join(f"{name} {value}" for name, value in result.statistics.items()))


def print_selection(console: Console, rows: list[Row], num_scores: int, k: int) -> None:
    """`topk` beside its peers."""
    table = Table(title=f"topk: the {k} largest of {num_scores:,}")
    _head(table, "", "ms", "speed", "cores", "agrees")
    for row in rows:
        table.add_row(row.name, _ms(row.median_s), f"{row.speed:.2f}", f"{row.cores:.1f}", f"{row.agreement:.2%}")
    console.print(table)


def _searches(title: str, batch: Batch) -> Table:
    table = Table(title=title)
    _head(table, "", "ms", "speed", "queries/s", "cores", "calls", "agrees")
    for row in batch.rows:
        table.add_row(
            row.name,
            _ms(row.median_s),
            f"{row.speed:.2f}",
            f"{batch.num_queries / row.median_s:,.0f}",
            f"{row.cores:.1f}",
            str(row.num_calls),
            f"{row.agreement:.2%}",
            style=_style(row),
        )
    return table


def _variants(result: CaseResult) -> Table:
    table = Table(title="ours under filters, by the plain search in the same rounds")
    _head(table, "at once", "", "ms", "by plain")
    for variant in result.variants:
        ratio = f"{variant.plain_ratio:.3f}"
        table.add_row(str(variant.num_queries), variant.name, _ms(variant.median_s), ratio)
    return table


def _changes(result: CaseResult) -> Table:
    table = Table(title="changes in place, median of one call")
    _head(table, "", "items", "us", "items/s")
    for change in result.changes:
        table.add_row(
            change.name, f"{change.num_items:,}", f"{change.median_s * 1e6:,.0f}", f"{change.items_per_s:,.0f}"
        )
    return table


def _memory(memory: Memory) -> Table:
    table = Table(title="memory, by the bytes of the float32 rows")
    _head(table, "", "")
    table.add_row("index.statistics()", f"{memory.index_ratio:.3f}")
    table.add_row("growth of resident memory", f"{memory.resident_ratio:.3f}")
    peak = memory.adding_peak_ratio
    table.add_row("peak growth while adding all at once", "not told here" if peak is None else f"{peak:.3f}")
    for num_queries, peak_bytes in memory.search_peak_bytes.items():
        told = "not told here" if peak_bytes is None else f"{peak_bytes / 1e6:.1f} MB"
        table.add_row(f"peak of a search of {num_queries}", told)
    return table


def _head(table: Table, *headings: str) -> None:
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)


def _style(row: Row) -> str | None:
    if row.exact and row.agreement < 1:
        return "red"
    return "bold" if row.ours else None if row.exact else "dim"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.3f}" if seconds < 1e-2 else f"{seconds * 1e3:,.1f}"
