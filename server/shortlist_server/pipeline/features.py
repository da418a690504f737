"""The features that a model may name in the manifest, and how each is built.

Training computes the same ones. The clock at the time of the request is none of them: equal requests, equal features.
Shapes: B requests, L history positions, C candidates, S sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist_server.pipeline.batch import Profiles

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureInputs:
    """What features are built from; the candidate arrays are None for models that see only the user."""

    profiles: Profiles
    candidate_rows_BC: NDArray[np.int64] | None = None
    retrieval_scores_BCS: NDArray[np.float32] | None = None


def history_items(inputs: FeatureInputs) -> NDArray[np.int64]:
    """Row + 1 of every history item, 0 at padding: int64 (B, L)."""
    items: NDArray[np.int64] = inputs.profiles.history_rows_BL + 1
    return items


def history_recency_days(inputs: FeatureInputs) -> NDArray[np.float32]:
    """Days between the user's latest history item and each one, 0 at padding: float32 (B, L)."""
    known_BL = inputs.profiles.known_BL
    times_BL = inputs.profiles.history_times_BL
    seconds_BL = np.where(known_BL, times_BL[:, -1:] - times_BL, 0)
    days: NDArray[np.float32] = seconds_BL.astype(np.float32) / np.float32(SECONDS_PER_DAY)
    return days


def candidate_items(inputs: FeatureInputs) -> NDArray[np.int64]:
    """Row + 1 of every candidate, 0 at padding: int64 (B, C)."""
    assert inputs.candidate_rows_BC is not None
    items: NDArray[np.int64] = inputs.candidate_rows_BC + 1
    return items


def candidate_retrieval_scores(inputs: FeatureInputs) -> NDArray[np.float32]:
    """The raw score of every source for every candidate, 0 at padding: float32 (B, C, S)."""
    assert inputs.retrieval_scores_BCS is not None
    return inputs.retrieval_scores_BCS


FEATURES: Mapping[str, Callable[[FeatureInputs], NDArray[Any]]] = {
    "history.items": history_items,
    "history.recency_days": history_recency_days,
    "candidate.items": candidate_items,
    "candidate.retrieval_scores": candidate_retrieval_scores,
}


def build_features(names: Mapping[str, str], inputs: FeatureInputs) -> dict[str, NDArray[Any]]:
    """The arrays for a model: `names` maps each of its inputs to a feature of the registry."""
    return {input_name: FEATURES[feature](inputs) for input_name, feature in names.items()}
