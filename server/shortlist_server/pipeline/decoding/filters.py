"""Decodes the rules on which items may be returned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from shortlist.v1.filter_pb2 import AVAILABILITY_ANY, Availability, SeenPolicy
from shortlist.v1.filter_pb2 import Filters as FiltersMessage
from shortlist.v1.filter_pb2 import NumericRange as RangeMessage
from shortlist_server.pipeline.decoding.defaults import POLICIES, Defaults
from shortlist_server.pipeline.decoding.violations import Violations
from shortlist_server.pipeline.query import Filters, NumericRange, SeenPolicyName

MAX_IDS: Final = 100_000
MAX_CATEGORIES: Final = 100
MAX_RANGES: Final = 32
LIMITS: Final = (
    ("allow_item_ids", MAX_IDS),
    ("deny_item_ids", MAX_IDS),
    ("categories_any", MAX_CATEGORIES),
    ("categories_all", MAX_CATEGORIES),
    ("categories_none", MAX_CATEGORIES),
    ("ranges", MAX_RANGES),
)


def decode_filters(filters: FiltersMessage, defaults: Defaults, violations: Violations) -> Filters:
    """The rules with their defaults; violations are noted under `filters`, and then what is returned means nothing."""
    short = [violations.check_count(f"filters.{name}", getattr(filters, name), limit) for name, limit in LIMITS]
    if not all(short):
        return Filters()
    violations.check_enum("filters.availability", filters.availability, Availability)
    return Filters(
        allow_ids=tuple(filters.allow_item_ids) or None,
        deny_ids=tuple(filters.deny_item_ids),
        categories_any=tuple(filters.categories_any),
        categories_all=tuple(filters.categories_all),
        categories_none=tuple(filters.categories_none),
        ranges=_decode_ranges(filters.ranges, defaults, violations),
        only_available=filters.availability != AVAILABILITY_ANY,
    )


def decode_seen_policy(filters: FiltersMessage, violations: Violations) -> SeenPolicyName:
    """Whether items that the user has already met may be returned."""
    violations.check_enum("filters.seen_policy", filters.seen_policy, SeenPolicy)
    return POLICIES.get(filters.seen_policy, "exclude")


def _decode_ranges(
    ranges: Sequence[RangeMessage], defaults: Defaults, violations: Violations
) -> tuple[NumericRange, ...]:
    decoded = []
    for index, message in enumerate(ranges):
        path = f"filters.ranges[{index}]"
        violations.check_known(f"{path}.attribute", message.attribute, sorted(defaults.attributes))
        minimum = message.minimum if message.HasField("minimum") else -math.inf
        maximum = message.maximum if message.HasField("maximum") else math.inf
        for name, value in (("minimum", minimum), ("maximum", maximum)):
            if math.isnan(value):
                violations.add(f"{path}.{name}", "nan is not a number")
        if maximum < minimum:
            violations.add(f"{path}.maximum", f"{maximum:g} is less than the minimum {minimum:g}")
        decoded.append(NumericRange(attribute=message.attribute, minimum=minimum, maximum=maximum))
    return tuple(decoded)
