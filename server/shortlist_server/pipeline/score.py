"""score: what each candidate is worth to the user, by the ranker of the package.

Shapes: B requests, L history positions, S sources, C candidates, N columns of one run of the ranker, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import (
    DEGRADATION_REASON_COLD_START,
    DEGRADATION_REASON_DEADLINE,
    STAGE_SCORE,
)
from shortlist_server.inference import OnnxModel
from shortlist_server.pipeline.batch import PADDING, Asked, Batch, Candidates, Profiles, Scored
from shortlist_server.pipeline.features import FeatureInputs, build_features
from shortlist_server.pipeline.ladder import Level
from shortlist_server.pipeline.retrieve import report_failure
from shortlist_server.pipeline.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranker:
    """The ranker and the fixed number of columns in which it runs: a score must not depend on the other requests."""

    name: str
    model: OnnxModel
    num_columns: int

    def probabilities(self, inputs: FeatureInputs) -> NDArray[np.float32]:
        """The heads for one request's candidates, (C, H)."""
        rows_1C, raw_1CS = inputs.candidate_rows_BC, inputs.retrieval_scores_BCS
        assert rows_1C is not None
        assert raw_1CS is not None
        spans = [slice(start, start + self.num_columns) for start in range(0, rows_1C.shape[1], self.num_columns)]
        runs = [self._run(inputs.profiles, rows_1C[:, span], raw_1CS[:, span]) for span in spans]
        return np.concatenate(runs)

    def _run(self, profiles: Profiles, rows_1N: NDArray[np.int64], raw_1NS: NDArray[np.float32]) -> NDArray[np.float32]:
        used = rows_1N.shape[1]
        missing = self.num_columns - used
        inputs = FeatureInputs(
            profiles=profiles,
            candidate_rows_BC=np.pad(rows_1N, ((0, 0), (0, missing)), constant_values=PADDING),
            retrieval_scores_BCS=np.pad(raw_1NS, ((0, 0), (0, missing), (0, 0))),
        )
        features = {tensor.name: tensor.feature for tensor in self.model.spec.inputs}
        output = self.model.spec.outputs[0].name
        probabilities_NH: NDArray[np.float32] = self.model.run(build_features(features, inputs))[output][0, :used]
        return probabilities_NH


def score(
    batch: Batch,
    profiles: Profiles,
    candidates: Candidates,
    asked: Sequence[Asked | None],
    *,
    sources: Sequence[Source],
    ranker: Ranker,
) -> Scored:
    """Value = sum of head weight x probability; the fused score for users without history and where it is skipped."""
    shape_BC, num_heads = candidates.rows_BC.shape, len(batch.queries[0].head_weights_H)
    raw_BCS = np.zeros((*shape_BC, len(sources)), dtype=np.float32)
    probabilities_BCH = np.zeros((*shape_BC, num_heads), dtype=np.float32)
    values_BC = candidates.fused_BC.copy()
    ranked_B = np.zeros(len(batch), dtype=np.bool_)
    ranked = _to_rank(batch, profiles, ranker)
    if batch.level < Level.NO_SCORE:
        raw_BCS = _raw_scores(batch, candidates, asked, sources)
    for request in ranked:
        used = int(np.count_nonzero(candidates.rows_BC[request] != PADDING))
        one = FeatureInputs(
            profiles=profiles.take(np.array([request])),
            candidate_rows_BC=candidates.rows_BC[request : request + 1, :used],
            retrieval_scores_BCS=raw_BCS[request : request + 1, :used],
        )
        try:
            probabilities_BCH[request, :used] = ranker.probabilities(one)
        except Exception:  # noqa: BLE001 - a failing model costs its stage, not the answer
            report_failure(batch, ranker.name, STAGE_SCORE, [request])
            continue
        values_BC[request, :used] = _values(probabilities_BCH[request, :used], batch.queries[request].head_weights_H)
        ranked_B[request] = True
    return Scored(
        rows_BC=candidates.rows_BC,
        fused_BC=candidates.fused_BC,
        num_found_B=candidates.num_found_B,
        raw_BCS=raw_BCS,
        probabilities_BCH=probabilities_BCH,
        values_BC=values_BC,
        ranked_B=ranked_B,
    )


def _values(probabilities_CH: NDArray[np.float32], weights_H: Sequence[float]) -> NDArray[np.float64]:
    """The weighted sum of the heads, one after the other: a matrix product may round by the number of rows."""
    values_C = np.zeros(len(probabilities_CH), dtype=np.float64)
    for head, weight in enumerate(weights_H):
        values_C += weight * probabilities_CH[:, head].astype(np.float64)
    return values_C


def _to_rank(batch: Batch, profiles: Profiles, ranker: Ranker) -> list[int]:
    """The requests that the ranker sees; why it does not see another one is noted."""
    if batch.level >= Level.NO_SCORE:
        batch.degrade_all(
            stage=STAGE_SCORE,
            source=ranker.name,
            reason=DEGRADATION_REASON_DEADLINE,
            detail="the deadline left no time for it",
        )
        return []
    cold_B = profiles.cold_B
    for request in np.flatnonzero(cold_B):
        batch.degrade(
            int(request),
            stage=STAGE_SCORE,
            source=ranker.name,
            reason=DEGRADATION_REASON_COLD_START,
            detail="the history is empty",
        )
    return [request for request in batch.live() if not cold_B[request]]


def _raw_scores(
    batch: Batch, candidates: Candidates, asked: Sequence[Asked | None], sources: Sequence[Source]
) -> NDArray[np.float32]:
    """The score of every source for every candidate, whoever found it; 0 for a source that failed."""
    raw_BCS = np.zeros((*candidates.rows_BC.shape, len(sources)), dtype=np.float32)
    for number, (source, ready) in enumerate(zip(sources, asked, strict=True)):
        if ready is None:
            continue
        try:
            raw_BCS[:, :, number] = ready.score(candidates.rows_BC)
        except Exception:  # noqa: BLE001 - whatever a source raises, the request must not be lost
            report_failure(batch, source.name, STAGE_SCORE)
    return raw_BCS
