"""Decodes the history that a request carries."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.history_pb2 import EventType, History
from shortlist.vocabulary import MAX_TIMESTAMP
from shortlist_server.pipeline.decoding.violations import Violations
from shortlist_server.pipeline.query import VIEW, GivenHistory

MAX_INTERACTIONS: Final = 10_000
COLUMNS: Final = ("timestamps", "types", "values")
KNOWN_TYPES: Final = np.array(EventType.values())


def decode_history(history: History, violations: Violations) -> GivenHistory:
    """The columns of the history; its violations are noted and then what is returned means nothing."""
    num_items = len(history.item_ids)
    if not violations.check_count("history.item_ids", history.item_ids, MAX_INTERACTIONS):
        return GivenHistory()
    lengths = {column: len(getattr(history, column)) for column in COLUMNS}
    for column, length in lengths.items():
        if length not in (0, num_items):
            violations.add(f"history.{column}", f"{length} entries for {num_items} item_ids")
    if any(length > num_items for length in lengths.values()):
        return GivenHistory()
    violations.check_ids("history.item_ids", history.item_ids)
    return GivenHistory(
        item_ids=tuple(history.item_ids),
        timestamps=_timestamps(history, violations),
        types=_types(history, violations),
        values=_values(history, violations),
    )


def _timestamps(history: History, violations: Violations) -> NDArray[np.int64] | None:
    if not history.timestamps:
        return None
    timestamps = np.fromiter(history.timestamps, np.int64, len(history.timestamps))
    for index in np.flatnonzero((timestamps < 0) | (timestamps > MAX_TIMESTAMP)).tolist():
        violations.check_integer(f"history.timestamps[{index}]", int(timestamps[index]), 0, MAX_TIMESTAMP)
    return timestamps


def _types(history: History, violations: Violations) -> NDArray[np.uint8]:
    """An interaction without a type is a view."""
    if not history.types:
        return np.full(len(history.item_ids), VIEW, dtype=np.uint8)
    numbers = np.fromiter(history.types, np.int64, len(history.types))
    for index in np.flatnonzero(~np.isin(numbers, KNOWN_TYPES)).tolist():
        violations.check_enum(f"history.types[{index}]", int(numbers[index]), EventType)
    return np.where(numbers == 0, VIEW, numbers).astype(np.uint8)


def _values(history: History, violations: Violations) -> NDArray[np.float32]:
    if not history.values:
        return np.zeros(len(history.item_ids), dtype=np.float32)
    values = np.fromiter(history.values, np.float32, len(history.values))
    for index in np.flatnonzero(~np.isfinite(values)).tolist():
        violations.add(f"history.values[{index}]", f"{values[index]:g} is not finite")
    return values
