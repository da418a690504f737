"""Decodes what a request wants of the order: variety and caps."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.v1.recommendation_pb2 import DIVERSITY_METHOD_DPP, AttributeCap, DiversityMethod
from shortlist.v1.recommendation_pb2 import Diversity as DiversityMessage
from shortlist_server.pipeline.query import CATEGORY, MAX_K, Cap, Defaults, Diversity, DiversityName
from shortlist_server.pipeline.violations import Violations, shown

MAX_CAPS = 16


def decode_diversity(diversity: DiversityMessage, violations: Violations) -> Diversity:
    """The method and its strength, 0 where the request does not ask for variety."""
    violations.check_enum("diversity.method", diversity.method, DiversityMethod)
    violations.check_number("diversity.strength", diversity.strength, 0.0, 1.0)
    method: DiversityName = "dpp" if diversity.method == DIVERSITY_METHOD_DPP else "mmr"
    return Diversity(method=method, strength=diversity.strength)


def decode_caps(caps: Sequence[AttributeCap], defaults: Defaults, violations: Violations) -> tuple[Cap, ...]:
    """The caps, each attribute once."""
    if not violations.check_count("caps", caps, MAX_CAPS):
        return ()
    known = (CATEGORY, *sorted(defaults.attributes - {CATEGORY}))
    decoded: dict[str, Cap] = {}
    for position, cap in enumerate(caps):
        field = f"caps[{position}]"
        violations.check_known(f"{field}.attribute", cap.attribute, known)
        violations.check_integer(f"{field}.max_items", cap.max_items, 1, MAX_K)
        if cap.attribute in decoded:
            violations.add(f"{field}.attribute", f"{shown(cap.attribute)} is given twice")
        decoded[cap.attribute] = Cap(attribute=cap.attribute, max_items=cap.max_items)
    return tuple(decoded.values())
