"""Re-ranking under shares of groups in every prefix."""

import numpy as np

from shortlist_kernels.arrays import Float64, Int64
from shortlist_kernels.reference.ranks import by_score, relevance_lost

TOLERANCE = 1e-9  # shares come from decimals: what is so near to a whole number of items counts as that


def exposure(
    scores_QN: Float64,
    groups_QN: Int64,
    min_shares_QG: Float64,
    max_shares_QG: Float64,
    k: int,
    num_threads: int,
) -> tuple[Int64, Float64]:
    """Shares in every prefix with the least relevance lost; see `rerank.exposure` for the rules.

    The j-th best item of a group is a job that takes one place: from its *release* on, the first place whose maximum
    admits j items of the group, and not after its *deadline*, the first whose minimum demands j (the last place, where
    none does). An order keeps the shares exactly if it gives each place one job, each within its window; as windows of
    a group move on with j, its items may as well stand in order of score.

    What is taken: the sets of jobs that fit into places are the independent sets of a transversal matroid, and remain
    so beside the jobs that minima demand. Adding the others by score, each where it leaves a set that fits, therefore
    reaches the largest sum, and of equal sums the set of the better ones by (score, position). Only the windows of
    demanded jobs end before the last place, so by Hall's theorem one more job fits if for every place up to its release
    the jobs released there or later are fewer than the places from there on; the other intervals are of demanded jobs
    alone, and `_order` fails if they are too many.

    In which order: each place takes the best job that is released and leaves the rest a schedule. With place i
    filled, the rest fits if no t has more than t - i jobs due by t: that is, if the one taken is due by the first t
    that was full, of which a schedule always has one that is released.

    Dropping maxima behind some place widens windows, so the longest run of places in which they can hold is found by
    trying from the longest; without maxima, minima alone always leave an order, as they sum to at most 1.
    """
    order_QK = np.full((len(scores_QN), k), -1, np.int64)
    lost_Q = np.zeros(len(scores_QN))
    for query, scores_N in enumerate(scores_QN):
        ranked = by_score(scores_N)
        members = [ranked[groups_QN[query, ranked] == group] for group in range(min_shares_QG.shape[1])]
        places = range(1, min(k, ranked.size) + 1)
        for num_held in range(len(places), -1, -1):
            windows = [
                _windows(items.size, places, min_share, max_share, num_held)
                for items, min_share, max_share in zip(members, min_shares_QG[query], max_shares_QG[query], strict=True)
            ]
            taken = _order(scores_N, members, windows, _counts(scores_N, members, windows, places), places)
            if taken is not None:
                break
        assert taken is not None
        order_QK[query, : len(places)] = taken
        lost_Q[query] = relevance_lost(scores_N, order_QK[query, : len(places)])
    return order_QK, lost_Q


Windows = list[tuple[int, int, bool]]  # release, deadline, and whether it is demanded, for each job of a group


def _windows(size: int, places: range, min_share: float, max_share: float, num_held: int) -> Windows:
    least = [min(int(min_share * place + TOLERANCE), size) for place in places]
    most = [int(np.ceil(max_share * place - TOLERANCE)) if place <= num_held else size for place in places]
    windows: Windows = []
    for job in range(1, min(size, len(places)) + 1):
        release = next((place for place, count in zip(places, most, strict=True) if count >= job), None)
        if release is None:
            break
        deadline = next((place for place, count in zip(places, least, strict=True) if count >= job), None)
        windows.append((release, len(places) if deadline is None else deadline, deadline is not None))
    return windows


def _counts(scores_N: Float64, members: list[Int64], windows: list[Windows], places: range) -> list[int]:
    """How many are taken of each group."""
    counts = [sum(demanded for *_, demanded in jobs) for jobs in windows]
    releases = [release for jobs in windows for release, _, demanded in jobs if demanded]
    rest = [
        (-scores_N[items[job]], items[job], group, jobs[job][0])
        for group, (items, jobs) in enumerate(zip(members, windows, strict=True))
        for job in range(counts[group], len(jobs))
    ]
    for _, _, group, release in sorted(rest):
        if all(sum(other >= place for other in releases) <= len(places) - place for place in range(1, release + 1)):
            releases.append(release)
            counts[group] += 1
    return counts


def _order(
    scores_N: Float64, members: list[Int64], windows: list[Windows], counts: list[int], places: range
) -> list[int] | None:
    """The items in their order; None if they do not fill the places within their windows."""
    taken = list[int]()
    placed = [0] * len(members)
    for place in places:
        deadlines = [
            deadline
            for jobs, start, end in zip(windows, placed, counts, strict=True)
            for _, deadline, _ in jobs[start:end]
        ]
        full = (t for t in range(place, len(places) + 1) if sum(due <= t for due in deadlines) > t - place)
        first_full = next(full, len(places))
        heads = [
            (-scores_N[members[group][placed[group]]], members[group][placed[group]], group)
            for group in range(len(members))
            if placed[group] < counts[group]
            and windows[group][placed[group]][0] <= place
            and windows[group][placed[group]][1] <= first_full
        ]
        if not heads:
            return None
        _, position, group = min(heads)
        taken.append(int(position))
        placed[group] += 1
    return taken
