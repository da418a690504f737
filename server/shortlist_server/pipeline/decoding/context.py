"""Decodes the circumstances of a request."""

from __future__ import annotations

import math
from typing import Final

from shortlist.v1.recommendation_pb2 import Context, ContextFeature
from shortlist.vocabulary import MAX_TIMESTAMP
from shortlist_server.pipeline.decoding.defaults import Defaults
from shortlist_server.pipeline.decoding.violations import Violations

MAX_FEATURES: Final = 64
MAX_TEXT_BYTES: Final = 1024


def decode_context(context: Context, defaults: Defaults, violations: Violations) -> dict[str, float]:
    """The numbers by name; names that no model uses are left to be ignored, and so are texts, which none can use."""
    if context.HasField("timestamp"):
        violations.check_integer("context.timestamp", context.timestamp, 0, MAX_TIMESTAMP)
    if not violations.check_count("context.features", context.features, MAX_FEATURES):
        return {}
    names: set[str] = set()
    numbers: dict[str, float] = {}
    for index, feature in enumerate(context.features):
        path = f"context.features[{index}]"
        violations.check_id(f"{path}.name", feature.name)
        if feature.name in names:
            violations.add(f"{path}.name", f"{feature.name!r} is given twice")
        names.add(feature.name)
        if _check_value(path, feature, defaults, violations):
            numbers[feature.name] = feature.number
    return numbers


def _check_value(path: str, feature: ContextFeature, defaults: Defaults, violations: Violations) -> bool:
    """Whether the value is a number. A text is wrong where a model takes a number."""
    kind = feature.WhichOneof("value")
    if kind is None:
        violations.add(f"{path}.value", "neither number nor text is set")
    elif kind == "number" and not math.isfinite(feature.number):
        violations.add(f"{path}.number", f"{feature.number} is not finite")
    elif kind == "text" and len(feature.text.encode()) > MAX_TEXT_BYTES:
        violations.add(f"{path}.text", f"{len(feature.text.encode())} bytes, not 0..{MAX_TEXT_BYTES}")
    elif kind == "text" and feature.name in defaults.context_numbers:
        violations.add(f"{path}.text", f"a model of the package takes {feature.name!r} as a number")
    return bool(kind == "number")
