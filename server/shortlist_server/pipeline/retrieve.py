"""retrieve: every source that a request asks for lists its best allowed items.

A source that fails is dropped and named; the requests go on with the others.
Shapes: B requests, N items, S sources, C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from shortlist.package.features import parse_feature
from shortlist_server.batching.levels import Level
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.sources import Source, SourceQuery
from shortlist_server.pipeline.types import PADDING, Allowed, Batch, Degraded, Profiles, Retrieved, ScoresAndRows

log = structlog.get_logger(__name__)

# Below this many (request, item) pairs handing a scan to another thread costs more than the scan.
LEAST_PARALLEL_CELLS: Final = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The sources of a package, in the manifest's order, and what asking them takes.

    fallback: the one that fills replies up and answers alone when time is short. scores_are_read: the ranker takes the
    score of every source for every candidate. num_items: of the catalogue.
    """

    every: tuple[Source, ...]
    fallback: Source | None
    scores_are_read: bool
    num_items: int
    executor: Executor


def sources_of(package: Package, executor: Executor) -> Sources:
    """Those of a package; `executor` asks them in parallel where there is much to do."""
    manifest = package.manifest
    features = [parse_feature(entry.feature).name for entry in manifest.ranker.graph.inputs]
    return Sources(
        every=package.sources,
        fallback=next((source for source in package.sources if source.name == manifest.fallback_source), None),
        scores_are_read="candidate.retrieval_scores" in features,
        num_items=package.catalog.num_items,
        executor=executor,
    )


def retrieve(batch: Batch, profiles: Profiles, allowed: Allowed, *, sources: Sources) -> Retrieved:
    """The list of each source for each request, empty where the request did not ask for it or it had nothing to say."""
    width = max(query.num_candidates for query in batch.queries)
    wanted_SB = _wanted(batch, profiles, sources)
    # A source that no request wants (weight 0), or that retrieves nothing, still has a score for what others find. The
    # ranker was trained with it: without it, switching a source off would change the value of other sources' items.
    is_scored = sources.scores_are_read and batch.level < Level.NO_SCORE

    def answer(source_index: int) -> _Answer:
        is_wanted = bool(wanted_SB[source_index].any())
        if not is_wanted and not is_scored:
            return _Answer()
        return _answer(batch, profiles, allowed if is_wanted else None, sources.every[source_index], width)

    indices = range(len(sources.every))
    is_large = len(batch) * sources.num_items >= LEAST_PARALLEL_CELLS
    answers = list(sources.executor.map(answer, indices) if is_large else map(answer, indices))
    # Who shares a batch must not matter: only those who would have asked a source alone hear of it.
    answered_SB = wanted_SB | is_scored
    for source_index, (source, given) in enumerate(zip(sources.every, answers, strict=True)):
        answered_SB[source_index] &= ~_failed(batch, source, given, answered_SB[source_index], wanted_SB[source_index])
    return _lists(batch, wanted_SB & answered_SB, answered_SB, answers)


def report_failure(batch: Batch, name: str, stage: str, indices: Sequence[int]) -> None:
    """Name a source or model that raised, and is left out, in the replies concerned."""
    for index in indices:
        detail = f"{name} failed and was left out"
        batch.degrade(index, Degraded(stage=stage, reason="FAILED", source=name, detail=detail))


def report_not_finite(batch: Batch, name: str, stage: str, unusable_B: NDArray[np.bool_]) -> None:
    """Name a source or model that answered some requests with what is no number, and is left out of their replies."""
    indices = np.flatnonzero(unusable_B).tolist()
    if indices:
        log.error("answered NaN or infinity", source=name, num_requests=len(indices))
    for index in indices:
        detail = f"{name} answered NaN or infinity and was left out"
        batch.degrade(index, Degraded(stage=stage, reason="FAILED", source=name, detail=detail))


class _Answer(NamedTuple):
    """What one source answered: nothing where it was not asked, or raised; no lists where none are wanted."""

    query: SourceQuery | None = None
    lists: ScoresAndRows | None = None
    has_failed: bool = False


def _answer(batch: Batch, profiles: Profiles, allowed: Allowed | None, source: Source, width: int) -> _Answer:
    try:
        query = source.query(profiles, batch.contexts)
        return _Answer(query, None if allowed is None else query.retrieve(allowed, width))
    except Exception:
        # Whatever a source raises, the requests must not be lost.
        log.exception("left out of the answer", source=source.name, num_requests=len(batch))
        return _Answer(has_failed=True)


def _wanted(batch: Batch, profiles: Profiles, sources: Sources) -> NDArray[np.bool_]:
    """Which sources list items for which request, (S, B); what a request asked for in vain is noted."""
    cold_B = profiles.cold_B
    wanted_SB = np.zeros((len(sources.every), len(batch)), dtype=np.bool_)
    for source_index, source in enumerate(sources.every):
        if not source.retrieves:
            continue
        for index, query in enumerate(batch.queries):
            if query.source_weights_S[source_index] == 0.0:
                continue
            if source.needs_history and cold_B[index]:
                _miss(batch, index, source, "COLD_START", profiles.why_cold(index))
            elif source is not sources.fallback and batch.level >= Level.FALLBACK:
                _miss(batch, index, source, "DEADLINE", "the deadline left no time for it")
            else:
                wanted_SB[source_index, index] = True
    return wanted_SB


def _miss(batch: Batch, request_index: int, source: Source, reason: str, detail: str) -> None:
    batch.degrade(request_index, Degraded(stage="RETRIEVE", reason=reason, source=source.name, detail=detail))


def _failed(
    batch: Batch, source: Source, given: _Answer, asked_B: NDArray[np.bool_], wanted_B: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The requests that asked a source in vain, (B,): it raised, or had no number for them. Each hears of it."""
    if given.has_failed:
        report_failure(batch, source.name, "RETRIEVE", np.flatnonzero(asked_B).tolist())
        return asked_B
    if given.query is None:
        return np.zeros(len(batch), dtype=np.bool_)
    failed_B = asked_B & given.query.failed_B
    if given.lists is not None:
        scores_BC, rows_BC = given.lists
        failed_B |= wanted_B & ((rows_BC != PADDING) & ~np.isfinite(scores_BC)).any(axis=1)
    report_not_finite(batch, source.name, "RETRIEVE", failed_B)
    return failed_B


def _lists(
    batch: Batch, listed_SB: NDArray[np.bool_], answered_SB: NDArray[np.bool_], answers: Sequence[_Answer]
) -> Retrieved:
    """The lists in one array, each cut to what its request asks for."""
    num_candidates_B = np.array([query.num_candidates for query in batch.queries])
    scores_SBC = np.full((*listed_SB.shape, num_candidates_B.max()), -np.inf, dtype=np.float32)
    rows_SBC = np.full(scores_SBC.shape, PADDING, dtype=np.int64)
    within_BC = np.arange(scores_SBC.shape[2]) < num_candidates_B[:, None]
    for source_index, (_, lists, _) in enumerate(answers):
        if lists is not None:
            kept_BC = listed_SB[source_index][:, None] & within_BC & (lists.rows_BC != PADDING)
            scores_SBC[source_index] = np.where(kept_BC, lists.scores_BC, -np.inf)
            rows_SBC[source_index] = np.where(kept_BC, lists.rows_BC, PADDING)
    queries = tuple(given.query for given in answers)
    return Retrieved(scores_SBC=scores_SBC, rows_SBC=rows_SBC, answered_SB=answered_SB, queries=queries)
