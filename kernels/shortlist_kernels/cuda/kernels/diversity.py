"""Greedy re-ranking for diversity, a block per query; see `reference.diversity`.

Row query * num_items + i of `vectors` is candidate i of a query, and its norm is in `facts` there.
"""

import math

import numpy as np

from shortlist_kernels.cuda.backend import LANES, THREADS, cuda, device_function, kernel
from shortlist_kernels.cuda.kernels.primitives import rounded_product
from shortlist_kernels.cuda.kernels.scoring import GROUPS, NORM, SCALE, finished_score, lane_of_score

LEAST_RESIDUAL = 1e-10  # as in reference/diversity.py
CANCELLING_RESIDUAL = 0.5


@kernel(
    "void(float32[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1], int32[::1], int64, int8[:, ::1],"
    " float64[:, ::1], int64[:, ::1])"
)
def take_marginal(forms):
    """mmr: the first `num_taken` of each query's order. `is_open` and `closest` (zeros before) are worked in."""
    reduce_lanes, best_of_block = forms.reduce_lanes, forms.best_of_block

    def run(vectors, facts, scores, diversities, num_taken, num_items, is_open, closest, order):
        query, thread = cuda.blockIdx.y, cuda.threadIdx.x
        first_row = np.int64(query) * num_items
        diversity = diversities[query]
        keep = 1.0 - diversity
        for place in range(num_taken[query]):
            own, own_value = np.int64(-1), 0.0
            for i in range(thread, num_items, THREADS):
                if is_open[query, i] != 0:
                    value = rounded_product(keep, scores[query, i]) - rounded_product(diversity, closest[query, i])
                    if own < 0 or value > own_value:
                        own, own_value = np.int64(i), value
            chosen = best_of_block(own_value, own)
            if thread == 0:
                order[query, place] = chosen
                is_open[query, chosen] = 0
            for start in range(0, num_items, GROUPS):
                i = start + thread // LANES
                row, chosen_row = first_row + i, first_row + chosen
                part = lane_of_score(False, vectors, chosen_row, 0.0, vectors, row, 0.0, i < num_items)
                total = reduce_lanes(part)
                if i < num_items and thread % LANES == 0:
                    cosine = finished_score(False, total, facts[NORM, chosen_row], facts[NORM, row])
                    closest[query, i] = cosine if place == 0 else max(closest[query, i], cosine)
            cuda.syncthreads()

    return run


@device_function
def lane_of_product(vectors, row, basis, query, place, is_row):
    """The thread's part of the sum of a row times a vector of the basis."""
    total = 0.0
    if is_row:
        d = cuda.threadIdx.x % LANES
        while d < vectors.shape[1]:
            total += rounded_product(np.float64(vectors[row, d]), basis[query, place, d])
            d += LANES
    return total


@device_function
def lane_of_basis(basis, query, place, other, is_place):
    """The thread's part of the sum of two vectors of the basis multiplied."""
    total = 0.0
    if is_place:
        d = cuda.threadIdx.x % LANES
        while d < basis.shape[2]:
            total += rounded_product(basis[query, place, d], basis[query, other, d])
            d += LANES
    return total


@device_function
def best_gain(weights, residuals, is_open, query, num_items):
    """The largest gain above 0 of the thread's share of the candidates, and whose it is; -1 if there is none."""
    own, own_gain = np.int64(-1), 0.0
    for i in range(cuda.threadIdx.x, num_items, THREADS):
        if is_open[query, i] != 0 and residuals[query, i] > LEAST_RESIDUAL:
            gain = rounded_product(weights[query, i], residuals[query, i])
            if gain > own_gain:
                own, own_gain = np.int64(i), gain
    return own_gain, own


@device_function
def subtract_parts(basis, query, size, parts):
    """Takes the parts along the basis from the vector behind it, one after the other."""
    for d in range(cuda.threadIdx.x, basis.shape[2], THREADS):
        value = basis[query, size, d]
        for place in range(size):
            value = value - rounded_product(parts[query, place], basis[query, place, d])
        basis[query, size, d] = value


@kernel(
    "void(float32[:, ::1], float64[:, ::1], float64[:, ::1], int32[::1], int64, int8[:, ::1], float64[:, ::1],"
    " float64[:, :, ::1], float64[:, ::1], int64[:, ::1])"
)
def raise_determinant(forms):
    """dpp: at most `num_taken` of each query's order, until no gain is left; -1 stays where none is taken.

    `is_open`, `residuals` (ones before), `basis` (Q, k, D) and `parts` (Q, k) are worked in.
    """
    reduce_lanes, best_of_block = forms.reduce_lanes, forms.best_of_block

    def run(vectors, facts, weights, num_taken, num_items, is_open, residuals, basis, parts, order):
        query, thread = cuda.blockIdx.y, cuda.threadIdx.x
        group, lane = thread // LANES, thread % LANES
        first_row = np.int64(query) * num_items
        size, place, is_gaining = 0, 0, True
        while is_gaining and place < num_taken[query]:
            own_gain, own = best_gain(weights, residuals, is_open, query, num_items)
            chosen = best_of_block(own_gain, own)
            is_gaining = chosen >= 0
            inverse = 0.0
            if is_gaining:
                inverse = facts[SCALE, first_row + chosen]
                if thread == 0:
                    order[query, place] = chosen
                    is_open[query, chosen] = 0
            if inverse != 0.0:
                row = first_row + chosen
                for d in range(thread, basis.shape[2], THREADS):
                    basis[query, size, d] = rounded_product(np.float64(vectors[row, d]), inverse)
                for start in range(0, size, GROUPS):
                    other = start + group
                    total = reduce_lanes(lane_of_product(vectors, row, basis, query, other, other < size))
                    if other < size and lane == 0:
                        parts[query, other] = rounded_product(total, inverse)
                cuda.syncthreads()
                subtract_parts(basis, query, size, parts)
                cuda.syncthreads()
                if residuals[query, chosen] < CANCELLING_RESIDUAL:
                    for start in range(0, size, GROUPS):
                        other = start + group
                        total = reduce_lanes(lane_of_basis(basis, query, size, other, other < size))
                        if other < size and lane == 0:
                            parts[query, other] = total
                    cuda.syncthreads()
                    subtract_parts(basis, query, size, parts)
                    cuda.syncthreads()
                shrinking = 1.0 / math.sqrt(reduce_lanes(lane_of_basis(basis, query, size, size, True)))
                cuda.syncthreads()
                for d in range(thread, basis.shape[2], THREADS):
                    basis[query, size, d] = rounded_product(basis[query, size, d], shrinking)
                cuda.syncthreads()
                for start in range(0, num_items, GROUPS):
                    i = start + group
                    total = reduce_lanes(lane_of_product(vectors, first_row + i, basis, query, size, i < num_items))
                    if i < num_items and lane == 0:
                        part = rounded_product(total, facts[SCALE, first_row + i])
                        residuals[query, i] = residuals[query, i] - rounded_product(part, part)
                size += 1
            cuda.syncthreads()
            place += 1

    return run
