"""How much each item of a history counts: decay per step, half-life, the last so many, divided by their sum or not.

Shapes: B requests, L history positions, H history items of all requests together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.package.features import SECONDS_PER_DAY
from shortlist.v1.manifest_pb2 import HistoryWeights
from shortlist_server.pipeline.types import Profiles


class WeightedHistory(NamedTuple):
    """The histories of a batch as the kernels take them: those of request b lie from indptr[b] to indptr[b + 1]."""

    indptr: NDArray[np.int64]
    rows_H: NDArray[np.int32]
    weights_H: NDArray[np.float32]


def weighted_history(profiles: Profiles, settings: HistoryWeights) -> WeightedHistory:
    """The items that count, oldest first, with their weights; items of weight 0 after rounding stay."""
    weights_BL = history_weights(profiles, settings)
    counted_BL = _counted(profiles, settings)
    indptr = np.concatenate(([0], np.cumsum(counted_BL.sum(axis=1)))).astype(np.int64)
    return WeightedHistory(
        indptr,
        profiles.history_rows_BL[counted_BL].astype(np.int32),
        weights_BL[counted_BL].astype(np.float32),
    )


def history_weights(profiles: Profiles, settings: HistoryWeights) -> NDArray[np.float64]:
    """The weight of every position, float64 (B, L); 0 at padding and where an item is too far back to count."""
    counted_BL = _counted(profiles, settings)
    steps_L = np.arange(counted_BL.shape[1] - 1, -1, -1)
    decay = settings.decay_per_step if settings.HasField("decay_per_step") else 1.0
    weights_BL = np.where(counted_BL, np.power(decay, steps_L, dtype=np.float64), 0.0)
    if settings.HasField("half_life_days"):
        times_BL = profiles.history_times_BL
        ages_days_BL = (times_BL[:, -1:] - times_BL) / SECONDS_PER_DAY
        weights_BL *= np.where(counted_BL, np.exp2(-ages_days_BL / settings.half_life_days), 0.0)
    if settings.normalise:
        sums_B1 = weights_BL.sum(axis=1, keepdims=True)
        weights_BL = np.divide(weights_BL, sums_B1, out=np.zeros_like(weights_BL), where=sums_B1 > 0.0)
    return weights_BL


def describe_weights(settings: HistoryWeights) -> str:
    """For people: the settings in a few words."""
    words = [f"last {settings.max_items}"]
    if settings.HasField("decay_per_step"):
        words.append(f"decay {settings.decay_per_step:g} a step")
    if settings.HasField("half_life_days"):
        words.append(f"half-life {settings.half_life_days:g} days")
    return ", ".join([*words, "normalised"] if settings.normalise else words)


def _counted(profiles: Profiles, settings: HistoryWeights) -> NDArray[np.bool_]:
    """True where the history holds an item that counts. Histories stand at the right, so position says how far back."""
    counted_BL = profiles.known_BL.copy()
    counted_BL[:, : max(0, counted_BL.shape[1] - settings.max_items)] = False
    return counted_BL
