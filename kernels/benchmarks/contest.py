"""Searchers side by side: the same queries, in turns, and whether they found the same."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks import peers
from benchmarks.agreement import agreement
from benchmarks.bandwidth import Probe
from benchmarks.cases import Case, Float32, Int64
from benchmarks.peers import Searcher
from benchmarks.results import Batch, Row
from benchmarks.timing import Timing, Work, interleaved
from shortlist_kernels import VectorIndex

PROBE = "read bandwidth probe"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to measure: ours with these instruction sets, these peers, so many turns and threads."""

    isas: tuple[str, ...]
    peers: tuple[str, ...]
    hnswlib: bool
    rounds: int
    num_threads: int


def searchers(case: Case, vectors_ND: Float32, index: VectorIndex, settings: Settings, say: Say) -> Iterator[Searcher]:
    """Ours first, then the peers, ready to search; `index` holds the vectors under their positions as ids."""
    ours = [peers.ours(index, isa, case.k, settings.num_threads) for isa in settings.isas]
    yield from ours
    for name in settings.peers:
        say(f"preparing {name}")
        yield from peers.BUILDERS[name](vectors_ND, case.k, settings.num_threads)
    if settings.hnswlib and vectors_ND.size <= peers.HNSW_MAX_FLOATS:
        say("building hnswlib's graph")
        yield from peers.hnswlib(vectors_ND, case.k, settings.num_threads, ours[0].search)


def compare(
    case: Case, vectors_ND: Float32, queries_QD: Float32, contenders: list[Searcher], settings: Settings, say: Say
) -> Batch:
    """All contenders at one number of queries; with one query the probe takes its turn too."""
    num_queries = len(queries_QD)
    found: dict[str, Int64] = {}

    def search(contender: Searcher) -> None:
        found[contender.name] = contender.search(queries_QD)

    works: dict[str, Work] = {contender.name: partial(search, contender) for contender in contenders}
    probe = Probe(case.code_bytes, settings.num_threads) if num_queries == 1 else None
    if probe:
        works[PROBE] = probe.read
    timings = interleaved(works, settings.rounds, lambda name: say(f"{num_queries} at once: {name}"))
    agreements = {
        name: agreement(vectors_ND, queries_QD, found[contenders[0].name], theirs_QK)
        for name, theirs_QK in found.items()
    }
    rows = _rows(contenders, timings, agreements)
    if not probe:
        return Batch(num_queries=num_queries, rows=rows)
    rate = probe.bytes_read / timings[PROBE].median_s
    share = case.code_bytes / min(row.median_s for row in rows if row.ours) / rate
    return Batch(num_queries=num_queries, rows=rows, probe_bytes_per_s=rate, bandwidth_share=share)


def _rows(contenders: list[Searcher], timings: dict[str, Timing], agreements: dict[str, float]) -> list[Row]:
    exact_s = [timings[contender.name].median_s for contender in contenders if contender.exact and not contender.ours]
    return [
        Row(
            name=contender.name,
            ours=contender.ours,
            exact=contender.exact,
            median_s=timing.median_s,
            fastest_s=min(timing.seconds),
            num_calls=len(timing.seconds),
            cores=timing.cores,
            agreement=agreements[contender.name],
            speed=min(exact_s) / timing.median_s,
        )
        for contender in contenders
        for timing in [timings[contender.name]]
    ]
