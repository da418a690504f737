"""Checks the circumstances of a request. No model uses any yet, so what is right is then ignored, as documented."""

from __future__ import annotations

import math

from shortlist.v1.recommendation_pb2 import Context
from shortlist_server.pipeline.violations import MAX_TIMESTAMP, Violations

MAX_FEATURES = 64
MAX_TEXT_BYTES = 1024


def check_context(context: Context, violations: Violations) -> None:
    """Every limit that the contract sets for a Context."""
    if context.HasField("timestamp"):
        violations.check_integer("context.timestamp", context.timestamp, 0, MAX_TIMESTAMP)
    if not violations.check_count("context.features", context.features, MAX_FEATURES):
        return
    names: set[str] = set()
    for position, feature in enumerate(context.features):
        field = f"context.features[{position}]"
        violations.check_id(f"{field}.name", feature.name)
        if feature.name in names:
            violations.add(f"{field}.name", f"{feature.name!r} is given twice")
        names.add(feature.name)
        kind = feature.WhichOneof("value")
        if kind is None:
            violations.add(f"{field}.value", "neither number nor text is set")
        elif kind == "number" and not math.isfinite(feature.number):
            violations.add(f"{field}.number", f"{feature.number} is not finite")
        elif kind == "text" and len(feature.text.encode()) > MAX_TEXT_BYTES:
            violations.add(f"{field}.text", f"{len(feature.text.encode())} bytes, not 0..{MAX_TEXT_BYTES}")
