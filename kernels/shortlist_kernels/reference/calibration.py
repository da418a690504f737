"""Re-ranking towards a distribution over groups."""

import math

import numpy as np

from shortlist_kernels.arrays import Float64, Int64, Memberships
from shortlist_kernels.reference.ranks import relevance_lost

MIXED = 0.01  # the share of the target in the smoothed distribution: Steck's alpha
KEPT = 1.0 - MIXED
LN2 = math.log(2)
ROOT_HALF = math.sqrt(0.5)


def calibrate(
    scores_QN: Float64,
    memberships: Memberships,
    targets_QG: Float64,
    k: int,
    strength_Q: Float64,
    num_threads: int,
) -> tuple[Int64, Float64]:
    """Greedy calibrated recommendations (Steck 2018); see `rerank.calibrate` for the objective.

    With K places to fill, weights w_ig, target p, mass C_g = sum of the weights taken, and a = 0.01, the objective

        (1 - strength) * sum of scores - strength * KL(p || (1 - a) C / K + a p)

    is, but for a constant, (1 - strength) * sum of scores + strength * sum over g of p_g log((1 - a) C_g + a K p_g).
    Taking item i adds (1 - strength) s_i + strength * gain_i to it, where

        gain_i = sum over the groups of i of p_g log(1 + (1 - a) w_ig / ((1 - a) C_g + a K p_g)).

    Each step takes the largest addition, ties by (score descending, position ascending). Additions never grow, as C
    does: the objective is submodular. Where each candidate is in one group and weights are equal, it is
    a sum of one concave function per group of how many are taken from it, best first. To such a sum greedy gives the
    largest value that K items can have, as the additions that it takes are the K largest of all there are.

    The logarithm is written out (`_logarithm`), since those of libraries differ in their last bits.
    """
    order_QK = np.full((len(scores_QN), k), -1, np.int64)
    lost_Q = np.zeros(len(scores_QN))
    for query, scores_N in enumerate(scores_QN):
        groups_NE, weights_NE = _entries(memberships, query, scores_N.size)
        open_N = scores_N != -np.inf
        num_places = min(k, int(open_N.sum()))
        target_G, strength = targets_QG[query], strength_Q[query]
        floors_G = MIXED * float(num_places) * target_G
        mass_G = np.zeros(target_G.size)
        relevance_N = (1.0 - strength) * np.where(open_N, scores_N, 0.0)
        for place in range(num_places):
            gains_N = _gains(groups_NE, weights_NE, target_G, KEPT * mass_G + floors_G)
            values_N = np.where(open_N, relevance_N + strength * gains_N, -np.inf)
            best = np.flatnonzero(values_N == values_N.max())
            chosen = int(best[np.argmax(scores_N[best])])
            order_QK[query, place] = chosen
            open_N[chosen] = False
            for group, weight in zip(groups_NE[chosen], weights_NE[chosen], strict=True):
                mass_G[group] += weight
        lost_Q[query] = relevance_lost(scores_N, order_QK[query, :num_places])
    return order_QK, lost_Q


def _entries(memberships: Memberships, query: int, num_items: int) -> tuple[Int64, Float64]:
    """The groups and weights of each candidate in a rectangle, filled up with weight 0 of group 0."""
    rows_N = np.arange(query * num_items, (query + 1) * num_items)
    if memberships.rows_QN is not None:
        rows_N = memberships.rows_QN[query]
    counts_N = memberships.indptr[rows_N + 1] - memberships.indptr[rows_N]
    shape = (num_items, int(counts_N.max(initial=0)))
    groups_NE, weights_NE = np.zeros(shape, np.int64), np.zeros(shape)
    for item, (row, count) in enumerate(zip(rows_N, counts_N, strict=True)):
        start = memberships.indptr[row]
        groups_NE[item, :count] = memberships.groups[start : start + count]
        weights_NE[item, :count] = memberships.weights[start : start + count]
    return groups_NE, weights_NE


def _gains(groups_NE: Int64, weights_NE: Float64, target_G: Float64, before_G: Float64) -> Float64:
    gains_N = np.zeros(len(groups_NE))
    for groups_N, weights_N in zip(groups_NE.T, weights_NE.T, strict=True):
        wanted_N = target_G[groups_N]
        before_N = np.where(wanted_N > 0, before_G[groups_N], 1.0)
        gains_N += wanted_N * _logarithm(1.0 + KEPT * weights_N / before_N)
    return gains_N


def _logarithm(y: Float64) -> Float64:
    """Log of numbers >= 1 in operations that round alike everywhere, to about 1e-16 of it.

    y = m * 2**e with m from sqrt(1/2) to sqrt(2); log y = e log 2 + 2 artanh(s), s = (m - 1) / (m + 1), s**2 < 0.03.
    """
    m, exponent = np.frexp(y)
    low = m < ROOT_HALF
    m, exponent = np.where(low, m * 2.0, m), np.where(low, exponent - 1.0, exponent)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    total = np.full(y.shape, 1.0 / 21.0)
    for odd in range(19, 0, -2):
        total = total * z + 1.0 / odd
    return np.asarray(exponent * LN2 + (s + s) * total)
