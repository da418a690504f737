"""Decodes the rules of re-ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from shortlist.v1.recommendation_pb2 import AttributeCap, Calibration, DiversityMethod, ExposureConstraint
from shortlist.v1.recommendation_pb2 import Diversity as DiversityMessage
from shortlist.v1.recommendation_pb2 import Freshness as FreshnessMessage
from shortlist.vocabulary import MAX_K
from shortlist_server.pipeline.decoding.defaults import DIVERSITIES, Defaults
from shortlist_server.pipeline.decoding.violations import Violations, shown
from shortlist_server.pipeline.query import CATEGORY, Cap, Diversity, Freshness, ShareLimits

MAX_CAPS: Final = 16
MAX_SHARES: Final = 16
DEFAULT_HALF_LIFE_DAYS: Final = 30.0
# A century: of any age that a catalogue has, nearly all of the favour is then left.
MAX_HALF_LIFE_DAYS: Final = 36_500.0
# Shares come from decimals, and ten times 0.1 is not 1. Half of what the kernel grants, whose sum may round otherwise.
SHARES_TOLERANCE: Final = 5e-10


def decode_freshness(freshness: FreshnessMessage, defaults: Defaults, violations: Violations) -> Freshness:
    """The attribute, the half-life and the weight."""
    violations.check_known("freshness.attribute", freshness.attribute, sorted(defaults.attributes))
    violations.check_number("freshness.weight", freshness.weight, 0.0, 1.0)
    half_life_days = DEFAULT_HALF_LIFE_DAYS
    if freshness.HasField("half_life_days"):
        half_life_days = freshness.half_life_days
    if not 0.0 < half_life_days <= MAX_HALF_LIFE_DAYS:
        range_ = f"above 0 and at most {MAX_HALF_LIFE_DAYS:g}"
        violations.add("freshness.half_life_days", f"{half_life_days:g} is not {range_}")
    return Freshness(attribute=freshness.attribute, half_life_days=half_life_days, weight=freshness.weight)


def decode_calibration(calibration: Calibration, violations: Violations) -> float:
    """The strength, 0 where the request does not ask for it."""
    violations.check_number("calibration.strength", calibration.strength, 0.0, 1.0)
    return calibration.strength


def decode_diversity(diversity: DiversityMessage, violations: Violations) -> Diversity:
    """The method and its strength, 0 where the request does not ask for diversity."""
    violations.check_enum("diversity.method", diversity.method, DiversityMethod)
    violations.check_number("diversity.strength", diversity.strength, 0.0, 1.0)
    return Diversity(method=DIVERSITIES.get(diversity.method, "mmr"), strength=diversity.strength)


def decode_caps(caps: Sequence[AttributeCap], defaults: Defaults, violations: Violations) -> tuple[Cap, ...]:
    """The caps, each attribute once."""
    if not violations.check_count("caps", caps, MAX_CAPS):
        return ()
    known = (CATEGORY, *sorted(defaults.attributes - {CATEGORY}))
    decoded: dict[str, Cap] = {}
    for index, cap in enumerate(caps):
        path = f"caps[{index}]"
        violations.check_known(f"{path}.attribute", cap.attribute, known)
        violations.check_integer(f"{path}.max_items", cap.max_items, 1, MAX_K)
        if cap.attribute in decoded:
            violations.add(f"{path}.attribute", f"{shown(cap.attribute)} is given twice")
        decoded[cap.attribute] = Cap(attribute=cap.attribute, max_items=cap.max_items)
    return tuple(decoded.values())


def decode_exposure(
    constraints: Sequence[ExposureConstraint], defaults: Defaults, violations: Violations
) -> tuple[ShareLimits, ...]:
    """The shares, each category once; they leave an answer possible."""
    if not violations.check_count("exposure_constraints", constraints, MAX_SHARES):
        return ()
    decoded: dict[str, ShareLimits] = {}
    for index, message in enumerate(constraints):
        path = f"exposure_constraints[{index}]"
        if message.category not in defaults.categories:
            violations.add(f"{path}.category", f"{shown(message.category)} is not a category of the catalogue")
        if message.category in decoded:
            violations.add(f"{path}.category", f"{shown(message.category)} is given twice")
        decoded[message.category] = _decode_shares(path, message, violations)
    total = math.fsum(limits.min_share for limits in decoded.values())
    if total > 1.0 + SHARES_TOLERANCE:
        violations.add("exposure_constraints", f"the min_shares sum to {total:g}, more than 1")
    return tuple(decoded.values())


def _decode_shares(path: str, message: ExposureConstraint, violations: Violations) -> ShareLimits:
    min_share = message.min_share if message.HasField("min_share") else 0.0
    max_share = message.max_share if message.HasField("max_share") else 1.0
    violations.check_number(f"{path}.min_share", min_share, 0.0, 1.0)
    violations.check_number(f"{path}.max_share", max_share, 0.0, 1.0)
    if max_share < min_share <= 1.0:
        violations.add(f"{path}.max_share", f"{max_share:g} is less than the min_share {min_share:g}")
    return ShareLimits(category=message.category, min_share=min_share, max_share=max_share)
