"""Decodes the history that a request carries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.history_pb2 import EVENT_TYPE_UNSPECIFIED, EVENT_TYPE_VIEW, EventType, History
from shortlist_server.pipeline.query import GivenHistory
from shortlist_server.pipeline.violations import MAX_TIMESTAMP, Violations

MAX_INTERACTIONS = 10_000


def decode_history(history: History, violations: Violations) -> GivenHistory:
    """The columns of the history; its violations are noted and then what is returned means nothing."""
    num_items = len(history.item_ids)
    if not violations.check_count("history.item_ids", history.item_ids, MAX_INTERACTIONS):
        return GivenHistory()
    lengths = {column: len(getattr(history, column)) for column in ("timestamps", "types")}
    for column, length in lengths.items():
        if length not in (0, num_items):
            violations.add(f"history.{column}", f"{length} entries for {num_items} item_ids")
    if any(length > num_items for length in lengths.values()):
        return GivenHistory()
    violations.check_ids("history.item_ids", history.item_ids)
    timestamps = np.fromiter(history.timestamps, np.int64, len(history.timestamps))
    for position in np.flatnonzero((timestamps < 0) | (timestamps > MAX_TIMESTAMP)).tolist():
        violations.check_integer(f"history.timestamps[{position}]", int(timestamps[position]), 0, MAX_TIMESTAMP)
    for position, event_type in enumerate(history.types):
        violations.check_enum(f"history.types[{position}]", event_type, EventType)
    return GivenHistory(
        item_ids=tuple(history.item_ids),
        timestamps=timestamps if timestamps.size else None,
        types=_types(history, num_items),
    )


def _types(history: History, num_items: int) -> NDArray[np.uint8]:
    types = np.full(num_items, EVENT_TYPE_VIEW, dtype=np.uint8)
    for position, number in enumerate(history.types[:num_items]):
        if number != EVENT_TYPE_UNSPECIFIED and number in EventType.DESCRIPTOR.values_by_number:
            types[position] = number
    return types
