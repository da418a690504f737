"""Fusion of ranked lists into one: `fuse`."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import (
    FUSION_METHODS,
    FUSION_NORMS,
    AnyArray,
    EntryPlace,
    Float32,
    Float64,
    Int64,
    RankedLists,
)

# Compared with types these would be made anew each time, and `fuse` is called for every batch of requests.
INT64, FLOAT32, FLOAT64 = np.dtype(np.int64), np.dtype(np.float32), np.dtype(np.float64)


def fuse(
    lists_of_ids: Sequence[Any],
    lists_of_scores: Sequence[Any],
    k: int,
    method: str = "rrf",
    weights: Sequence[float] | None = None,
    norm: str = "minmax",
    num_threads: int | None = None,
) -> tuple[Float32, Int64]:
    """Fuses S ranked lists into the k best: scores float32 and ids int64, (k,) or (Q, k), padded with -inf and -1.

    Scores are computed in float64, rounded to float32, then ordered by (score descending, id ascending).

    Each list is ids int64 and scores float32 or float64, both (K_s,) or (Q, K_s); an entry with id -1 or score -inf is
    absent. An id may stand once in a list. Weights (default 1 each) are >= 0; a list of weight 0 is left out. Both
    scores and weights must lie in the range of float32. Methods:

    rrf          sum of weight / (60 + rank), rank counted from 1 in the order given (Cormack, Clarke, Buettcher 2009)
    weighted     sum of weight * score after `norm`; a list without the item adds 0. "minmax": to 0..1 over the list
                 (1 for all where they are equal). "zscore": minus the mean, divided by the population deviation (0 for
                 all where that is 0). "none": as given
    max          largest weight * score, as given
    round_robin  first of each list, second of each list, ...; an item at its earliest place; score 1 / place
    borda        sum of weight * (c - rank + 1), c being the number of items in all lists together; the items that a
                 list of n entries leaves out share its other points, (c - n + 1) / 2 each (Aslam, Montague 2001)

    num_threads: how many threads share the queries; None means one, and for much work the cores of the process.
    """
    checks.one_of("method", method, FUSION_METHODS)
    checks.one_of("norm", norm, FUSION_NORMS)
    k = checks.whole_number("k", k, minimum=0)
    if num_threads is not None:
        num_threads = checks.whole_number("num_threads", num_threads, minimum=1)
    shape, lists = checked(lists_of_ids, lists_of_scores, weights)
    scores_QK, ids_QK, fault = dispatch.active().fuse(lists, k, method, norm, num_threads)
    if fault is not None:
        refuse(lists, fault, is_single=not shape)
    return scores_QK.reshape(*shape, k), ids_QK.reshape(*shape, k)


def checked(
    lists_of_ids: Sequence[Any], lists_of_scores: Sequence[Any], weights: Sequence[float] | None
) -> tuple[tuple[int, ...], RankedLists]:
    """The leading shape, () or (Q,), and the lists; what they hold is checked by backends as they read it."""
    leading, pairs = checked_pairs(lists_of_ids, lists_of_scores)
    return leading, RankedLists(
        tuple([_rows(ids) for ids, _ in pairs]),
        tuple([_rows(scores) for _, scores in pairs]),
        checked_weights(weights, len(pairs)),
    )


def checked_pairs(
    lists_of_ids: Sequence[Any], lists_of_scores: Sequence[Any]
) -> tuple[tuple[int, ...], list[tuple[AnyArray, AnyArray]]]:
    """The leading shape, and the ids and scores of each list, of the types and shapes that `fuse` takes."""
    num_lists = len(lists_of_ids)
    if num_lists == 0 or num_lists != len(lists_of_scores):
        raise ValueError(
            f"lists_of_scores must have one entry per list of ids, at least 1, "
            f"got {len(lists_of_scores)} and {num_lists}"
        )
    pairs = [_pair(place, *pair) for place, pair in enumerate(zip(lists_of_ids, lists_of_scores, strict=True))]
    shapes = {ids.shape[:-1] for ids, _ in pairs}
    if len(shapes) > 1:
        raise ValueError(f"lists_of_ids must agree in their leading axis, got {sorted(shapes)}")
    num_entries = sum(ids.shape[-1] for ids, _ in pairs)
    if num_entries > checks.INT32_LIMIT:
        raise ValueError(f"lists_of_ids must have at most 2**31 - 1 entries per query, got {num_entries}")
    return shapes.pop(), pairs


def _pair(place: int, ids: Any, scores: Any) -> tuple[AnyArray, AnyArray]:
    ids = checks.as_array(f"lists_of_ids[{place}]", ids)
    if ids.ndim not in (1, 2):
        raise ValueError(f"lists_of_ids[{place}] must have 1 or 2 axes, got shape {ids.shape}")
    if ids.dtype != INT64:
        ids = checks.integers(f"lists_of_ids[{place}]", ids, ids.ndim)
    scores = checks.as_array(f"lists_of_scores[{place}]", scores)
    if scores.dtype not in (FLOAT32, FLOAT64) or scores.shape != ids.shape:
        raise ValueError(
            f"lists_of_scores[{place}] must be float32 or float64 of shape {ids.shape}, "
            f"got {scores.dtype} of shape {scores.shape}"
        )
    return ids, scores


def _rows(array: AnyArray) -> AnyArray:
    """(Q, K), each row contiguous and aligned, as C reads it; a view where `array` is so."""
    if array.strides[-1] != array.itemsize or not array.flags.aligned:
        array = np.require(array, requirements=("C", "A"))
    return array if array.ndim == 2 else array[np.newaxis]


def checked_weights(weights: Sequence[float] | None, num_lists: int) -> Float64:
    """The weights as float64 (S,), 1 each unless given."""
    if weights is None:
        return np.ones(num_lists)
    if len(weights) != num_lists:
        raise ValueError(f"weights must have one entry per list ({num_lists}), got {len(weights)}")
    limit = checks.FLOAT32_LIMIT
    return np.array(
        [checks.finite_number(f"weights[{place}]", weight, 0.0, limit) for place, weight in enumerate(weights)]
    )


def refuse(lists: RankedLists, fault: EntryPlace, is_single: bool) -> NoReturn:
    """Raises the ValueError that says what is wrong with an entry."""
    query, number, place = fault
    item, score = lists.ids[number][query, place], lists.scores[number][query, place]
    position = (place,) if is_single else (query, place)
    if item < -1:
        raise ValueError(
            f"lists_of_ids[{number}] must be within -1 to {np.iinfo(np.int64).max}, got {item} at position {position}"
        )
    if not abs(score) <= checks.FLOAT32_LIMIT:
        rule = "fit float32" if np.isfinite(score) else "be finite"
        raise ValueError(f"lists_of_scores[{number}] must {rule}, got {score} at position {position}")
    raise ValueError(
        f"lists_of_ids[{number}] must be distinct within a query, "
        f"got {item} more than once, again at position {position}"
    )
