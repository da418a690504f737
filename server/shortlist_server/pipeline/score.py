"""score: what each candidate is worth to the user, by the ranker of the package; without one, by the fused score.

Shapes: B requests, S sources, C candidates, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from shortlist_server.batching.levels import Level
from shortlist_server.pipeline.retrieve import Sources, report_failure, report_not_finite
from shortlist_server.pipeline.sources.candidate_graph import CandidateGraph
from shortlist_server.pipeline.types import PADDING, Batch, Candidates, Degraded, Profiles, Retrieved, Scored

log = structlog.get_logger(__name__)


def score(
    batch: Batch,
    profiles: Profiles,
    candidates: Candidates,
    retrieved: Retrieved,
    *,
    sources: Sources,
    ranker: CandidateGraph | None,
) -> Scored:
    """Value = sum of head weight x probability.

    The fused score for users without history, where the ranker is skipped, fails or answers what is no number, and in
    a package without one.
    """
    raw_BCS = np.zeros((*candidates.rows_BC.shape, len(sources.every)), dtype=np.float32)
    if sources.scores_are_read and batch.level < Level.NO_SCORE:
        raw_BCS = _raw_scores(batch, candidates, retrieved, sources)
    num_heads = len(batch.queries[0].head_weights_H)
    scored = Scored(
        candidates=candidates,
        raw_BCS=raw_BCS,
        probabilities_BCH=np.zeros((*candidates.rows_BC.shape, num_heads), dtype=np.float32),
        values_BC=candidates.scores_BC.copy(),
        ranked_B=np.zeros(len(batch), dtype=np.bool_),
    )
    if ranker is not None:
        _rank(batch, profiles, scored, ranker)
    return scored


def _rank(batch: Batch, profiles: Profiles, scored: Scored, ranker: CandidateGraph) -> None:
    """Fill in what the ranker says, request by request: a score must not depend on the others of the batch."""
    rows_BC = scored.candidates.rows_BC
    failed: list[int] = []
    unusable_B = np.zeros(len(batch), dtype=np.bool_)
    ranked = [index for index in _to_rank(batch, profiles, ranker) if rows_BC[index, 0] != PADDING]
    feed = ranker.feed(profiles, batch.contexts, rows_BC, scored.raw_BCS) if ranked else {}
    for index in ranked:
        used = int(np.count_nonzero(rows_BC[index] != PADDING))
        try:
            probabilities_CH = ranker.run(feed, index, used)
            if probabilities_CH.shape != (used, scored.probabilities_BCH.shape[2]):
                raise ValueError(f"{ranker.name} answers {list(probabilities_CH.shape)} for {used} candidates")
        except Exception:
            # A failing model costs its stage, not the answer.
            if not failed:  # one of a batch stands for all of them in the log
                log.exception("left out of the answer", source=ranker.name)
            failed.append(index)
            continue
        values_C = _values(probabilities_CH, batch.queries[index].head_weights_H)
        # Not only probabilities: the values of large ones may be no float32.
        if not (np.isfinite(probabilities_CH).all() and np.isfinite(values_C).all()):
            unusable_B[index] = True
            continue
        scored.probabilities_BCH[index, :used] = probabilities_CH
        scored.values_BC[index, :used] = values_C
        scored.ranked_B[index] = True
    report_failure(batch, ranker.name, "SCORE", failed)
    report_not_finite(batch, ranker.name, "SCORE", unusable_B)


def _to_rank(batch: Batch, profiles: Profiles, ranker: CandidateGraph) -> list[int]:
    """The indices of requests that the ranker sees; why it does not see another one is noted."""
    if batch.level >= Level.NO_SCORE:
        detail = "the deadline left no time for it"
        batch.degrade_all(Degraded(stage="SCORE", reason="DEADLINE", source=ranker.name, detail=detail))
        return []
    cold_B = profiles.cold_B
    for index in np.flatnonzero(cold_B).tolist():
        detail = profiles.why_cold(index)
        batch.degrade(index, Degraded(stage="SCORE", reason="COLD_START", source=ranker.name, detail=detail))
    return [index for index in batch.live() if not cold_B[index]]


def _raw_scores(batch: Batch, candidates: Candidates, retrieved: Retrieved, sources: Sources) -> NDArray[np.float32]:
    """The score of every source for every candidate, whoever found it; 0 for one that failed or gave no number."""
    raw_BCS = np.zeros((*candidates.rows_BC.shape, len(sources.every)), dtype=np.float32)
    for source_index, (source, query) in enumerate(zip(sources.every, retrieved.queries, strict=True)):
        if query is None:
            continue
        try:
            raw_BC = query.score(candidates.rows_BC)
        except Exception:
            # Whatever a source raises, the requests must not be lost.
            log.exception("left out of the answer", source=source.name, num_requests=len(batch))
            report_failure(batch, source.name, "SCORE", range(len(batch)))
            continue
        unusable_B = np.asarray(~np.isfinite(raw_BC).all(axis=1))
        report_not_finite(batch, source.name, "SCORE", unusable_B)
        raw_BCS[:, :, source_index] = np.where(unusable_B[:, None], np.float32(0), raw_BC)
    return raw_BCS


def _values(probabilities_CH: NDArray[np.float32], weights_H: Sequence[float]) -> NDArray[np.float32]:
    """The weighted sum of the heads, one after the other: a matrix product may round by the number of rows."""
    values_C = np.zeros(len(probabilities_CH), dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # what comes out of it is looked at
        for head, weight in enumerate(weights_H):
            values_C += weight * probabilities_CH[:, head].astype(np.float64)
        return values_C.astype(np.float32)
