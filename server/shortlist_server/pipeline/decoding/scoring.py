"""Decodes which sources are asked, how their lists become one, and what the heads of the ranker count for.

Shapes: S sources of the package, H heads of its ranker.
"""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.package.manifest import MAX_WEIGHT
from shortlist.v1.recommendation_pb2 import Fusion, FusionMethod, HeadWeight, Normalisation, SourceWeight
from shortlist_server.pipeline.decoding.defaults import FUSIONS, NORMS, Defaults
from shortlist_server.pipeline.decoding.violations import Violations, shown
from shortlist_server.pipeline.query import FusionName, NormName


def decode_sources(sources: Sequence[SourceWeight], defaults: Defaults, violations: Violations) -> tuple[float, ...]:
    """The weight of each source, (S,); 0 for those that a request which names sources does not name."""
    if not sources:
        return tuple(defaults.source_weights.values())
    if not violations.check_count("sources", sources, len(defaults.source_weights)):
        return tuple(defaults.source_weights.values())
    asked: dict[str, float] = {}
    for index, source in enumerate(sources):
        path = f"sources[{index}]"
        violations.check_known(f"{path}.name", source.name, tuple(defaults.source_weights))
        if source.name in asked:
            violations.add(f"{path}.name", f"{shown(source.name)} is given twice")
        weight = source.weight if source.HasField("weight") else defaults.source_weights.get(source.name, 1.0)
        violations.check_number(f"{path}.weight", weight, 0.0, MAX_WEIGHT)
        asked[source.name] = weight
    if not any(asked.values()):
        violations.add("sources", "every source is switched off")
    return tuple(asked.get(name, 0.0) for name in defaults.source_weights)


def decode_heads(heads: Sequence[HeadWeight], defaults: Defaults, violations: Violations) -> tuple[float, ...]:
    """The weight of each head, (H,)."""
    if not violations.check_count("head_weights", heads, len(defaults.head_weights)):
        return tuple(defaults.head_weights.values())
    weights = dict(defaults.head_weights)
    for index, head in enumerate(heads):
        path = f"head_weights[{index}]"
        violations.check_known(f"{path}.name", head.name, tuple(defaults.head_weights))
        violations.check_number(f"{path}.weight", head.weight, -MAX_WEIGHT, MAX_WEIGHT)
        if any(head.name == earlier.name for earlier in heads[:index]):
            violations.add(f"{path}.name", f"{shown(head.name)} is given twice")
        weights[head.name] = head.weight
    return tuple(weights[name] for name in defaults.head_weights)


def decode_fusion(fusion: Fusion, defaults: Defaults, violations: Violations) -> tuple[FusionName, NormName]:
    """The method and the normalisation; the package's where the request has none."""
    if not fusion.ByteSize():
        return defaults.fusion, defaults.norm
    violations.check_enum("fusion.method", fusion.method, FusionMethod)
    violations.check_enum("fusion.normalisation", fusion.normalisation, Normalisation)
    return FUSIONS.get(fusion.method, defaults.fusion), NORMS.get(fusion.normalisation, defaults.norm)
