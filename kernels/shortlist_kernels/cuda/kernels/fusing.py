"""Ranked lists into one, as `fusion.fuse` defines it.

The lists of a query lie one behind the other in a row of entries, list s from `starts[s]` to `starts[s + 1]`. An entry
is absent if its id is -1 or its score -inf. The first entry of an item, by list, is its leader and stands for it.
"""

import math

import numpy as np

from shortlist_kernels.cuda.backend import THREADS, cuda, device_function, kernel
from shortlist_kernels.cuda.kernels.primitives import key_of, rounded_product

RRF, WEIGHTED, MAX, ROUND_ROBIN, BORDA = range(5)  # FUSION_METHODS
MINMAX, ZSCORE, PLAIN = range(3)  # FUSION_NORMS
RRF_CONSTANT = 60
FLOAT32_LIMIT = float(np.finfo(np.float32).max)


@device_function
def is_present(ids, scores, query, entry):
    """Whether an entry counts."""
    return ids[query, entry] != -1 and scores[query, entry] != -np.inf


@device_function
def entry_of(ids, scores, query, start, end, item):
    """The entry with an id between two places, or -1."""
    for entry in range(start, end):
        if ids[query, entry] == item and is_present(ids, scores, query, entry):
            return entry
    return -1


@kernel(
    "void(int64[:, ::1], float32[:, ::1], int64, int64, int64[:, ::1], float64[:, ::1])",
    "void(int64[:, ::1], float64[:, ::1], int64, int64, int64[:, ::1], float64[:, ::1])",
    uses_forms=False,
)
def place_list(forms):
    """Copies a list of each query to where it lies among the entries, scores in float64."""

    def run(list_ids, list_scores, length, start, ids, scores):
        query = cuda.blockIdx.y
        for place in range(cuda.grid(1), length, cuda.gridsize(1)):
            ids[query, start + place] = list_ids[query, place]
            scores[query, start + place] = np.float64(list_scores[query, place])

    return run


@device_function
def normalised(norm, score, low, high, mean, deviation):
    """A score of a list with these figures."""
    if norm == MINMAX:
        return (score - low) / (high - low) if high - low > 0.0 else 1.0
    if norm == ZSCORE:
        return (score - mean) / deviation if deviation > 0.0 else 0.0
    return score


@device_function
def given_value(method, norm, weight, rank, turn, num_turns, score, low, high, mean, deviation):
    """What an entry gives its item; its rank for borda, which also needs the number of items."""
    if method == RRF:
        return weight / np.float64(RRF_CONSTANT + rank)
    if method == WEIGHTED:
        return rounded_product(weight, normalised(norm, score, low, high, mean, deviation))
    if method == MAX:
        return rounded_product(weight, score)
    if method == ROUND_ROBIN:
        return -np.float64((rank - 1) * num_turns + turn)
    return np.float64(rank)


@kernel(
    "void(int64, int64, int64[:, ::1], float64[:, ::1], int64[::1], float64[::1], int64[::1], int64, int64, int64,"
    " float64[:, ::1], int64[:, ::1], int64[::1])",
    uses_forms=False,
)
def weigh_lists(forms):
    """What each entry gives, one thread per list: sums run over its entries in their order.

    `turns` numbers the lists of weight above 0. `fault` falls to the first entry, counted through all queries, with an
    id below -1 or a score beyond float32.
    """

    def run(
        method, norm, ids, scores, starts, weights, turns, num_queries, num_lists, num_turns, values, lengths, fault
    ):
        thread = cuda.grid(1)
        if thread >= num_queries * num_lists:
            return
        query, number = thread // num_lists, thread % num_lists
        start, end = starts[number], starts[number + 1]
        count = 0
        low, high, total = np.inf, -np.inf, 0.0
        for entry in range(start, end):
            present = is_present(ids, scores, query, entry)
            score = scores[query, entry]
            if ids[query, entry] < -1 or (present and not abs(score) <= FLOAT32_LIMIT):
                cuda.atomic.min(fault, 0, query * starts[num_lists] + entry)
            if present:
                count += 1
                low, high = min(low, score), max(high, score)
                total += score
        lengths[query, number] = count
        mean = total / np.float64(max(count, 1))
        squares = 0.0
        for entry in range(start, end):
            if norm == ZSCORE and is_present(ids, scores, query, entry):
                centred = scores[query, entry] - mean
                squares += rounded_product(centred, centred)
        deviation = math.sqrt(squares / np.float64(max(count, 1)))
        rank = 0
        for entry in range(start, end):
            if is_present(ids, scores, query, entry):
                rank += 1
                values[query, entry] = given_value(
                    method,
                    norm,
                    weights[number],
                    rank,
                    turns[number],
                    num_turns,
                    scores[query, entry],
                    low,
                    high,
                    mean,
                    deviation,
                )

    return run


@kernel(
    "void(int64[:, ::1], float64[:, ::1], int64[::1], float64[::1], int64, int8[:, ::1], int32[::1], int64[::1])",
    uses_forms=False,
)
def find_leaders(forms):
    """Marks the leaders, which are as many as a query has items. `fault` falls to an id that its list had before."""

    def run(ids, scores, starts, weights, num_lists, leads, num_items, fault):
        query = cuda.blockIdx.y
        for entry in range(cuda.grid(1), starts[num_lists], cuda.gridsize(1)):
            leads[query, entry] = 0
            if is_present(ids, scores, query, entry):
                item, number, is_first = ids[query, entry], 0, True
                while starts[number + 1] <= entry:
                    if weights[number] > 0.0 and is_first:
                        is_first = entry_of(ids, scores, query, starts[number], starts[number + 1], item) < 0
                    number += 1
                if weights[number] > 0.0:
                    if entry_of(ids, scores, query, starts[number], entry, item) >= 0:
                        cuda.atomic.min(fault, 0, query * starts[num_lists] + entry)
                    elif is_first:
                        leads[query, entry] = 1
                        cuda.atomic.add(num_items, query, 1)

    return run


@device_function
def combined(method, ids, scores, values, query, item, starts, weights, lengths, num_lists, count):
    """What an item gets of all lists, in their order."""
    keeps_largest = method in (MAX, ROUND_ROBIN)
    total = -np.inf if keeps_largest else 0.0
    for number in range(num_lists):
        weight = weights[number]
        if weight > 0.0:
            entry = entry_of(ids, scores, query, starts[number], starts[number + 1], item)
            value = values[query, entry] if entry >= 0 else 0.0
            if keeps_largest:
                if entry >= 0:
                    total = max(total, value)
            elif method == BORDA:
                if entry >= 0:
                    total += rounded_product(weight, np.float64(count) - value + 1.0)
                else:
                    total += rounded_product(weight, np.float64(count - lengths[query, number] + 1) / 2.0)
            else:
                total += value
    return total + 0.0


@kernel(
    "void(int64, int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[::1], float64[::1], int64[:, ::1], int64,"
    " int8[:, ::1], int32[::1], int32[::1], int64[:, ::1], int64[:, ::1])"
)
def combine_lists(forms):
    """Writes the keys of each query's items, `counts` of them (zeros before)."""
    reserve = forms.reserve

    def run(method, ids, scores, values, starts, weights, lengths, num_lists, leads, num_items, counts, major, minor):
        query = cuda.blockIdx.y
        num_entries = starts[num_lists]
        for start in range(cuda.blockIdx.x * THREADS, num_entries, cuda.gridDim.x * THREADS):
            entry = start + cuda.threadIdx.x
            is_leader = entry < num_entries
            if is_leader:
                is_leader = leads[query, entry] != 0
            slot = reserve(is_leader, counts, query)
            if slot >= 0:
                item = ids[query, entry]
                total = combined(
                    method,
                    ids,
                    scores,
                    values,
                    query,
                    item,
                    starts,
                    weights,
                    lengths,
                    num_lists,
                    np.int64(num_items[query]),
                )
                if method != ROUND_ROBIN:  # turns beyond 2**24 do not fit float32
                    total = np.float64(np.float32(total))
                major[query, slot] = key_of(total)
                minor[query, slot] = ~item

    return run


@kernel("void(int32[:, ::1], int64, float32[:, ::1])", uses_forms=False)
def write_turns(forms):
    """The scores of round robin, by the place in the answer."""

    def run(counts, k, scores):
        query = cuda.blockIdx.y
        for place in range(cuda.grid(1), min(np.int64(k), np.int64(counts[query, 0])), cuda.gridsize(1)):
            scores[query, place] = np.float32(1.0 / np.float64(place + 1))

    return run
