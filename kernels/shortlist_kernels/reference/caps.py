"""Re-ranking under caps."""

import numpy as np

from shortlist_kernels.arrays import Float64, Int64
from shortlist_kernels.reference.ranks import by_score, relevance_lost


def capped(
    scores_QN: Float64,
    slots_AQN: Int64,
    caps: Int64,
    k: int,
    window: int,
    max_displacement: int,
    num_threads: int,
) -> tuple[Int64, Float64]:
    """At most `caps[slot]` of each slot in any `window` places; see `rerank.capped` for the rules.

    A candidate has A slots, -1 for none. max_displacement -1: none.
    """
    order_QK = np.full((len(scores_QN), k), -1, np.int64)
    lost_Q = np.zeros(len(scores_QN))
    for query, scores_N in enumerate(scores_QN):
        taken = _take(by_score(scores_N), slots_AQN[:, query], caps, k, window, max_displacement)
        order_QK[query, : len(taken)] = taken
        lost_Q[query] = relevance_lost(scores_N, order_QK[query, : len(taken)])
    return order_QK, lost_Q


def _take(ranked: Int64, slots_AN: Int64, caps: Int64, k: int, window: int, max_displacement: int) -> list[int]:
    is_bounded = max_displacement >= 0
    reach = max_displacement if is_bounded else ranked.size
    waiting, taken = list(range(ranked.size)), list[int]()  # by rank
    for place in range(min(k, ranked.size)):
        near = [rank for rank in waiting if rank <= place + reach]
        if is_bounded and near[0] <= place - reach:
            chosen = near[0]
        else:
            counted = slots_AN[:, ranked[taken[max(0, place - window + 1) :]]]
            counts = np.bincount(counted[counted >= 0], minlength=caps.size)
            full = counts >= caps
            fitting = (rank for rank in near if not any(full[slot] for slot in slots_AN[:, ranked[rank]] if slot >= 0))
            chosen = next(fitting, near[0] if is_bounded else -1)
        if chosen < 0:
            break
        waiting.remove(chosen)
        taken.append(chosen)
    return [int(ranked[rank]) for rank in taken]
