"""The features a model may name in the manifest, with the dtype and the axes in which the server builds them.

B requests, L history positions (max_history), N candidates, S sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """dtype as NumPy spells it; axes out of "batch", "history", "candidates", "sources"."""

    dtype: str
    axes: tuple[str, ...]


FEATURES: Final = MappingProxyType(
    {
        "history.items": FeatureSpec("int64", ("batch", "history")),
        "history.recency_days": FeatureSpec("float32", ("batch", "history")),
        "candidate.items": FeatureSpec("int64", ("batch", "candidates")),
        "candidate.retrieval_scores": FeatureSpec("float32", ("batch", "candidates", "sources")),
    }
)


def feature_misfit(
    feature: str, dtype: str, shape: tuple[int | str, ...], max_history: int, num_sources: int
) -> str | None:
    """Why a model input with this dtype and shape cannot take the feature; None when it can.

    The batch and candidate axes must be dynamic (a name, not a number).
    """
    spec = FEATURES.get(feature)
    if spec is None:
        return f"unknown feature {feature!r}; known are {', '.join(FEATURES)}"
    if dtype != spec.dtype:
        return f"feature {feature!r} is {spec.dtype}, the input {dtype}"
    sizes = {"history": max_history, "sources": num_sources}
    fits = len(shape) == len(spec.axes) and all(
        size == sizes[axis] if axis in sizes else isinstance(size, str)
        for size, axis in zip(shape, spec.axes, strict=True)
    )
    wanted = [sizes.get(axis, axis) for axis in spec.axes]
    return None if fits else f"feature {feature!r} has shape {wanted}, the input {list(shape)}"
