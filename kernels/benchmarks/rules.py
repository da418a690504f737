"""Calibration, caps, shares and freshness beside NumPy, on one thread.

No library on PyPI does the same: `fairsearchcore` (FA*IR) tests one protected group for significance. So the peers are
what one would write: a loop over users and places that leaves the work over candidates to NumPy. For shares that is
DetGreedy of Geyik et al. 2019, which may lose more relevance than it has to.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.race import Race
from benchmarks.timing import Work
from shortlist_kernels import rerank

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NUM_GROUPS = 8
MIN_SHARE, MAX_SHARE = 0.05, 0.2
CAP = 8
STRENGTH = 0.5
HALF_LIFE, WEIGHT = 30.0, 0.3


def races(quick: bool) -> Iterator[Race]:
    """One race per rule."""
    num_users, num_items, k = (4, 100, 10) if quick else (64, 1000, 50)
    random = np.random.default_rng(7)
    scores_QN = random.random((num_users, num_items))
    groups_QN = random.choice(NUM_GROUPS, (num_users, num_items), p=random.dirichlet(np.full(NUM_GROUPS, 4.0)))
    targets_QG = random.dirichlet(np.ones(NUM_GROUPS), num_users)
    ages_QN = random.exponential(HALF_LIFE, (num_users, num_items))
    min_G, max_G = np.full(NUM_GROUPS, MIN_SHARE), np.full(NUM_GROUPS, MAX_SHARE)
    contenders: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "calibrate": (
            partial(rerank.calibrate, scores_QN, groups_QN, targets_QG, k, STRENGTH, num_threads=1),
            partial(_calibrate, scores_QN, groups_QN, targets_QG, k),
        ),
        "capped": (
            partial(rerank.capped, scores_QN, groups_QN, CAP, k, num_threads=1),
            partial(_capped, scores_QN, groups_QN, k),
        ),
        "exposure": (
            partial(rerank.exposure, scores_QN, groups_QN, min_G, max_G, k, num_threads=1),
            partial(_exposure, scores_QN, groups_QN, min_G, max_G, k),
        ),
        "freshness": (
            partial(rerank.freshness, scores_QN, ages_QN, k, HALF_LIFE, WEIGHT, num_threads=1),
            partial(_freshness, scores_QN, ages_QN, k),
        ),
    }
    for rule, (ours, numpy) in contenders.items():
        works: dict[str, Work] = {"shortlist": ours, "numpy": numpy}
        agreement = {"shortlist": 1.0, "numpy": float((numpy() == ours()[0]).mean())}
        title = f"{rule}: {num_users} users x {num_items:,}, k = {k}"
        if rule != "freshness":
            title += f", {NUM_GROUPS} groups"
        yield Race(title=title, works=works, agreement=agreement)


def _calibrate(scores_QN: Floats, groups_QN: Ints, targets_QG: Floats, k: int) -> Ints:
    order_QK = np.empty((len(scores_QN), k), np.int64)
    for scores_N, groups_N, target_G, order_K in zip(scores_QN, groups_QN, targets_QG, order_QK, strict=True):
        values_N, mass_G = (1 - STRENGTH) * scores_N, np.zeros(target_G.size)
        for place in range(k):
            gains_G = target_G * np.log1p(0.99 / (0.99 * mass_G + 0.01 * k * target_G))
            chosen = np.argmax(values_N + STRENGTH * gains_G[groups_N])
            order_K[place], values_N[chosen] = chosen, -np.inf
            mass_G[groups_N[chosen]] += 1
    return order_QK


def _capped(scores_QN: Floats, groups_QN: Ints, k: int) -> Ints:
    order_QK = np.full((len(scores_QN), k), -1, np.int64)
    for ranked_N, groups_N, order_K in zip(np.argsort(-scores_QN, kind="stable"), groups_QN, order_QK, strict=True):
        counts, place = [0] * NUM_GROUPS, 0
        for item, group in zip(ranked_N.tolist(), groups_N[ranked_N].tolist(), strict=True):
            if counts[group] < CAP:
                counts[group] += 1
                order_K[place] = item
                place += 1
            if place == k:
                break
    return order_QK


def _exposure(scores_QN: Floats, groups_QN: Ints, min_G: Floats, max_G: Floats, k: int) -> Ints:
    order_QK = np.full((len(scores_QN), k), -1, np.int64)
    places_K = np.arange(1, k + 1)[:, np.newaxis]
    least_KG, most_KG = np.floor(min_G * places_K + 1e-9), np.ceil(max_G * places_K - 1e-9)
    for scores_N, groups_N, order_K in zip(scores_QN, groups_QN, order_QK, strict=True):
        ranked_N = np.argsort(-scores_N, kind="stable")
        members = [ranked_N[groups_N[ranked_N] == group] for group in range(NUM_GROUPS)]
        heads_G, counts_G = np.array([scores_N[items[0]] for items in members]), np.zeros(NUM_GROUPS, np.int64)
        for place in range(k):
            short_G = counts_G < least_KG[place]
            open_G = short_G if short_G.any() else counts_G < most_KG[place]
            group = int(np.argmax(np.where(open_G, heads_G, -np.inf)))
            order_K[place] = members[group][counts_G[group]]
            counts_G[group] += 1
            has_more = counts_G[group] < members[group].size
            heads_G[group] = scores_N[members[group][counts_G[group]]] if has_more else -np.inf
    return order_QK


def _freshness(scores_QN: Floats, ages_QN: Floats, k: int) -> Ints:
    values_QN = (1 - WEIGHT) * scores_QN + WEIGHT * np.exp2(-ages_QN / HALF_LIFE)
    found_QK = np.argpartition(-values_QN, k, axis=1)[:, :k]
    best_QK = np.argsort(-np.take_along_axis(values_QN, found_QK, axis=1), axis=1)
    return np.take_along_axis(found_QK, best_QK, axis=1)
