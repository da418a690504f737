"""Re-ranking under caps: `capped`, and `count_over_caps` for any order."""

from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Float64, Int64
from shortlist_kernels.rerank.candidates import candidates, integers_per_candidate

DENSE = 1 << 16  # values of an attribute that are worth a counter each, whether they occur or not


def capped(
    scores: Any,
    groups: Any,
    caps: Any,
    k: int,
    max_displacement: int | None = None,
    window: int | None = None,
    num_threads: int | None = None,
) -> tuple[Int64, Float64]:
    """Takes k candidates by score with at most so many of each value of an attribute.

    Each place takes the best candidate left, by (score descending, position ascending), that fits: of none of its
    values the places of the window that ends here hold as many as the cap. Without `window` all k places count, else
    any `window` in a row. Without max_displacement caps always hold, and the list ends where nothing fits; with one
    attribute of one value each and no window no list as long has a larger sum of scores under the caps.

    max_displacement D: every candidate stands at most D places before or behind the one that it has by score (and is
    left out only if that is place k - D or later, counted from 0). The bound always holds and caps yield to it: a
    candidate that waited D places is taken whether it fits or not, as is the best one left where none of those
    near enough fits. `count_over_caps` tells how often. The rule does not look ahead.

    scores: float32, or float64 in its range, (n,) or (Q, n); candidates with -inf are never taken. groups: integers of
    that shape, -1 for no value; with one more axis (..., V) the values of a candidate that has several, each of which
    counts once; or a tuple of such arrays, one per attribute. caps: for each attribute one cap >= 0 for all values, or
    one per value (values are then below its length); a tuple of as many where groups is one.
    Returns positions, int64 (k,) or (Q, k), padded with -1, and the relevance lost, float64 scalar or (Q,): the sum of
    as many best scores minus the sum of those taken.
    """
    users = candidates(scores)
    k = checks.whole_number("k", k, minimum=0)
    slots_AQN, slot_caps = _slots(groups, caps, users.shape)
    answer = dispatch.active().capped(
        users.scores_QN,
        slots_AQN,
        slot_caps,
        k,
        max(k, 1) if window is None else checks.whole_number("window", window, minimum=1),
        -1 if max_displacement is None else checks.whole_number("max_displacement", max_displacement, minimum=0),
        users.num_threads(num_threads),
    )
    return users.answer(*answer)


def count_over_caps(order: Any, groups: Any, caps: Any, window: int | None = None) -> Int64:
    """How many places of an order hold a candidate that did not fit there: int64 scalar or (Q,).

    order: positions (k,) or (Q, k), padded with -1, as `capped` returns them. groups, caps and window as there.
    """
    positions = checks.as_array("order", order)
    positions = checks.integers("order", positions, min(max(positions.ndim, 1), 2))
    shape = _attributes(groups)[0].shape
    if len(shape) not in (positions.ndim, positions.ndim + 1) or shape[: positions.ndim - 1] != positions.shape[:-1]:
        raise ValueError(f"order must have the axes of groups, got shapes {positions.shape} and {shape}")
    shape = shape[: positions.ndim]
    checks.within("order", positions, -1, shape[-1] - 1)
    slots_AQN, slot_caps = _slots(groups, caps, shape)
    window = positions.shape[-1] if window is None else checks.whole_number("window", window, minimum=1)
    over_Q = np.array(
        [
            _count_over(slots_AQN[:, query, row_K[row_K >= 0]].T, slot_caps, window)
            for query, row_K in enumerate(np.atleast_2d(positions))
        ],
        np.int64,
    )
    return over_Q if positions.ndim == 2 else np.asarray(over_Q[0])


def _count_over(slots_KA: Int64, caps: Int64, window: int) -> int:
    over = 0
    for place, own in enumerate(slots_KA):
        counted = slots_KA[max(0, place - window + 1) : place + 1]
        over += any(int((counted == slot).sum()) > caps[slot] for slot in own if slot >= 0)
    return over


def _attributes(groups: Any) -> list[Any]:
    """The groups of each attribute."""
    parts = list(groups) if isinstance(groups, tuple) else [groups]
    if not parts:
        raise ValueError("groups must be integers or a tuple of arrays, got an empty tuple")
    return [checks.as_array(_name("groups", groups, place), part) for place, part in enumerate(parts)]


def _name(name: str, groups: Any, place: int) -> str:
    return f"{name}[{place}]" if isinstance(groups, tuple) else name


def _slots(groups: Any, caps: Any, shape: tuple[int, ...]) -> tuple[Int64, Int64]:
    """One counter for each value of each attribute: those of candidates, (A, Q, n), and the caps of all."""
    attributes = _attributes(groups)
    parts = caps if isinstance(groups, tuple) else (caps,)
    if not isinstance(parts, tuple) or len(parts) != len(attributes):
        raise ValueError(f"caps must be a tuple of {len(attributes)}, one per array of groups, got {caps!r}")
    slots, slot_caps = list[Int64](), list[Int64]()
    num_slots = 0
    for place, (values, value_caps) in enumerate(zip(attributes, parts, strict=True)):
        own_VQN, own_caps = _slots_of(
            _name("groups", groups, place), values, _name("caps", groups, place), value_caps, shape
        )
        slots.append(own_VQN + num_slots * (own_VQN >= 0) if num_slots else own_VQN)
        slot_caps.append(own_caps)
        num_slots += own_caps.size
    return slots[0] if len(slots) == 1 else np.concatenate(slots), np.concatenate(slot_caps)


def _slots_of(name: str, values: Any, caps_name: str, caps: Any, shape: tuple[int, ...]) -> tuple[Int64, Int64]:
    value_caps = checks.integers(caps_name, caps, min(checks.as_array(caps_name, caps).ndim, 1))
    checks.within(caps_name, value_caps, 0, np.iinfo(np.int64).max)
    if value_caps.ndim == 1:
        return _values(name, values, shape, value_caps.size - 1), value_caps
    own_VQN = _values(name, values, shape, np.iinfo(np.int64).max)
    num_values = int(own_VQN.max(initial=-1)) + 1
    if num_values > max(DENSE, own_VQN.size):
        occurring, places = np.unique(own_VQN, return_inverse=True)
        own_VQN = np.where(own_VQN < 0, -1, places.reshape(own_VQN.shape))
        num_values = occurring.size
    return own_VQN, np.full(num_values, value_caps, np.int64)


def _values(name: str, values: Any, shape: tuple[int, ...], maximum: int) -> Int64:
    """(V, Q, n): the values of each candidate, a repeated one as -1."""
    if values.ndim != len(shape) + 1:
        return integers_per_candidate(name, values, shape, -1, maximum)[np.newaxis]
    several = np.sort(integers_per_candidate(name, values, (*shape, values.shape[-1]), -1, maximum), axis=-1)
    several[..., 1:][several[..., 1:] == several[..., :-1]] = -1
    several_QNV = several if len(shape) == 2 else several[np.newaxis]
    return np.ascontiguousarray(np.moveaxis(several_QNV, -1, 0))
