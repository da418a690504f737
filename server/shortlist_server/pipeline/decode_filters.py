"""Decodes the rules on which items may be returned."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shortlist.v1.filter_pb2 import AVAILABILITY_ANY, SEEN_POLICY_EXCLUDE, Availability, SeenPolicy
from shortlist.v1.filter_pb2 import Filters as FiltersMessage
from shortlist.v1.filter_pb2 import NumericRange as RangeMessage
from shortlist_server.pipeline.query import Defaults, Filters, NumericRange
from shortlist_server.pipeline.violations import Violations

MAX_IDS = 100_000
MAX_CATEGORIES = 100
MAX_RANGES = 32
LIMITS = (
    ("allow_item_ids", MAX_IDS),
    ("deny_item_ids", MAX_IDS),
    ("categories_any", MAX_CATEGORIES),
    ("categories_all", MAX_CATEGORIES),
    ("categories_none", MAX_CATEGORIES),
    ("ranges", MAX_RANGES),
)


def decode_filters(
    filters: FiltersMessage, defaults: Defaults, violations: Violations, path: str = "filters"
) -> Filters:
    """The rules with their defaults; violations are noted under `path` and then what is returned means nothing."""
    short = [violations.check_count(f"{path}.{name}", getattr(filters, name), limit) for name, limit in LIMITS]
    if not all(short):
        return Filters()
    violations.check_enum(f"{path}.availability", filters.availability, Availability)
    violations.check_enum(f"{path}.seen_policy", filters.seen_policy, SeenPolicy)
    return Filters(
        allow_ids=tuple(filters.allow_item_ids) or None,
        deny_ids=tuple(filters.deny_item_ids),
        categories_any=tuple(filters.categories_any),
        categories_all=tuple(filters.categories_all),
        categories_none=tuple(filters.categories_none),
        ranges=_decode_ranges(filters.ranges, defaults, violations, f"{path}.ranges"),
        only_available=filters.availability != AVAILABILITY_ANY,
        seen_policy=filters.seen_policy or SEEN_POLICY_EXCLUDE,
    )


def _decode_ranges(
    ranges: Sequence[RangeMessage], defaults: Defaults, violations: Violations, path: str
) -> tuple[NumericRange, ...]:
    decoded = []
    for position, message in enumerate(ranges):
        field = f"{path}[{position}]"
        violations.check_known(f"{field}.attribute", message.attribute, sorted(defaults.attributes))
        minimum = message.minimum if message.HasField("minimum") else -math.inf
        maximum = message.maximum if message.HasField("maximum") else math.inf
        for name, value in (("minimum", minimum), ("maximum", maximum)):
            if math.isnan(value):
                violations.add(f"{field}.{name}", "nan is not a number")
        if maximum < minimum:
            violations.add(f"{field}.maximum", f"{maximum:g} is less than the minimum {minimum:g}")
        decoded.append(NumericRange(attribute=message.attribute, minimum=minimum, maximum=maximum))
    return tuple(decoded)
