"""score: what each candidate is worth to the user, by the ranker of the package.

Shapes: B requests, L history positions, S sources, C candidates, W candidates padded to full runs, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import (
    DEGRADATION_REASON_COLD_START,
    DEGRADATION_REASON_DEADLINE,
    STAGE_SCORE,
)
from shortlist_server.catalog.features import FEATURES as FEATURE_SPECS
from shortlist_server.inference import OnnxModel
from shortlist_server.pipeline.batch import PADDING, Asked, Batch, Candidates, Profiles, Scored
from shortlist_server.pipeline.features import FeatureInputs, build_features
from shortlist_server.pipeline.ladder import Level
from shortlist_server.pipeline.retrieve import report_failure
from shortlist_server.pipeline.sources import Source


class Ranker:
    """The ranker, run for one request at a time in a fixed number of columns: a score must not depend on the others."""

    def __init__(self, name: str, model: OnnxModel, num_columns: int) -> None:
        self.name = name
        self.num_columns = num_columns
        self._model = model
        self._features = {tensor.name: tensor.feature for tensor in model.spec.inputs}
        self._split = frozenset(
            tensor.name for tensor in model.spec.inputs if "candidates" in FEATURE_SPECS[tensor.feature].axes
        )
        self._output = model.spec.outputs[0].name

    def features(
        self, profiles: Profiles, rows_BC: NDArray[np.int64], raw_BCS: NDArray[np.float32]
    ) -> dict[str, NDArray[Any]]:
        """The inputs of the model for the whole batch, candidates padded to full runs."""
        num_requests, num_candidates, num_sources = raw_BCS.shape
        width = -(-num_candidates // self.num_columns) * self.num_columns
        rows_BW = np.full((num_requests, width), PADDING, dtype=np.int64)
        rows_BW[:, :num_candidates] = rows_BC
        raw_BWS = np.zeros((num_requests, width, num_sources), dtype=np.float32)
        raw_BWS[:, :num_candidates] = raw_BCS
        inputs = FeatureInputs(profiles=profiles, candidate_rows_BC=rows_BW, retrieval_scores_BCS=raw_BWS)
        return build_features(self._features, inputs)

    def probabilities(
        self, features: Mapping[str, NDArray[Any]], request: int, num_candidates: int
    ) -> NDArray[np.float32]:
        """The heads for the first candidates of one request, (num_candidates, H)."""
        runs = []
        for start in range(0, num_candidates, self.num_columns):
            span = slice(start, start + self.num_columns)
            inputs = {
                name: array[request : request + 1, span] if name in self._split else array[request : request + 1]
                for name, array in features.items()
            }
            runs.append(self._model.run(inputs)[self._output][0])
        return np.concatenate(runs)[:num_candidates]


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
    features = ranker.features(profiles, candidates.rows_BC, raw_BCS) if ranked else {}
    for request in ranked:
        used = int(np.count_nonzero(candidates.rows_BC[request] != PADDING))
        if not used:
            continue
        try:
            probabilities_BCH[request, :used] = ranker.probabilities(features, request, used)
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
            detail=profiles.why_cold(int(request)),
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
