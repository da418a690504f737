"""retrieve: every source that a request asks for lists its best allowed items.

A source that fails is dropped and named; the requests go on with the others.
Shapes: B requests, I items, S sources, C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
import structlog
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import (
    DEGRADATION_REASON_COLD_START,
    DEGRADATION_REASON_DEADLINE,
    DEGRADATION_REASON_FAILED,
    STAGE_RETRIEVE,
)
from shortlist_server.pipeline.batch import PADDING, Asked, Batch, Profiles, Retrieved, RowsAndScores
from shortlist_server.pipeline.ladder import Level
from shortlist_server.pipeline.sources import Source

log = structlog.get_logger(__name__)

# Below this many (request, item) pairs handing a scan to another thread costs more than the scan.
LEAST_PARALLEL_CELLS = 4_000_000


def retrieve(
    batch: Batch, profiles: Profiles, mask_BI: NDArray[np.bool_], *, sources: Sequence[Source], executor: Executor
) -> Retrieved:
    """The list of each source for each request, empty where the request did not ask for it or it had nothing to say."""
    width = max(query.num_candidates for query in batch.queries)
    rows_SBC = np.full((len(sources), len(batch), width), PADDING, dtype=np.int64)
    scores_SBC = np.full(rows_SBC.shape, -np.inf, dtype=np.float32)
    wanted_SB = _wanted(batch, profiles, sources)

    def ask_one(number: int) -> tuple[Asked | None, RowsAndScores | None]:
        is_wanted = bool(wanted_SB[number].any())
        if not is_wanted and batch.level >= Level.NO_SCORE:
            return None, None
        return _ask_one(batch, profiles, sources[number], mask_BI if is_wanted else None, width)

    numbers = range(len(sources))
    parallel = mask_BI.size >= LEAST_PARALLEL_CELLS
    answers = list(executor.map(ask_one, numbers) if parallel else map(ask_one, numbers))
    num_candidates_B = np.array([query.num_candidates for query in batch.queries])
    within_BC = np.arange(width) < num_candidates_B[:, None]
    for number, (_, found) in enumerate(answers):
        if found is not None:
            kept_BC = wanted_SB[number][:, None] & within_BC
            rows_SBC[number] = np.where(kept_BC, found.rows_BC, PADDING)
            scores_SBC[number] = np.where(kept_BC, found.scores_BC, -np.inf)
    return Retrieved(rows_SBC=rows_SBC, scores_SBC=scores_SBC, asked=tuple(asked for asked, _ in answers))


def ask_sources(batch: Batch, profiles: Profiles, sources: Sequence[Source]) -> tuple[Asked | None, ...]:
    """Prepare every source to score given candidates; None for one that fails, which is then named as degraded."""
    return tuple(_ask_one(batch, profiles, source, None, 0)[0] for source in sources)


def _ask_one(
    batch: Batch, profiles: Profiles, source: Source, mask_BI: NDArray[np.bool_] | None, width: int
) -> tuple[Asked | None, RowsAndScores | None]:
    """The source, ready to score, and its lists unless there is no mask."""
    try:
        asked = source.ask(profiles)
        return asked, asked.retrieve(mask_BI, width) if mask_BI is not None else None
    except Exception:  # noqa: BLE001 - whatever a source raises, the request must not be lost
        report_failure(batch, source.name, STAGE_RETRIEVE)
        return None, None


def report_failure(batch: Batch, source: str, stage: int, requests: Sequence[int] | None = None) -> None:
    """Log the exception being handled and name the source or model in the replies concerned, by default all."""
    concerned = range(len(batch)) if requests is None else requests
    log.exception("left out of the answer", source=source, num_requests=len(concerned))
    for request in concerned:
        batch.degrade(
            request,
            stage=stage,
            source=source,
            reason=DEGRADATION_REASON_FAILED,
            detail=f"{source} failed and was left out",
        )


def _wanted(batch: Batch, profiles: Profiles, sources: Sequence[Source]) -> NDArray[np.bool_]:
    """Which sources each request gets, (S, B); what it asked for in vain is noted."""
    cold_B = profiles.cold_B
    wanted_SB = np.zeros((len(sources), len(batch)), dtype=np.bool_)
    for number, source in enumerate(sources):
        for request, query in enumerate(batch.queries):
            if query.source_weights_S[number] == 0.0:
                continue
            if source.needs_history and cold_B[request]:
                batch.degrade(
                    request,
                    stage=STAGE_RETRIEVE,
                    source=source.name,
                    reason=DEGRADATION_REASON_COLD_START,
                    detail=profiles.why_cold(request),
                )
            elif source.needs_history and batch.level >= Level.POPULAR:
                batch.degrade(
                    request,
                    stage=STAGE_RETRIEVE,
                    source=source.name,
                    reason=DEGRADATION_REASON_DEADLINE,
                    detail="the deadline left no time for it",
                )
            else:
                wanted_SB[number, request] = True
    return wanted_SB
