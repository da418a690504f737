"""Steps that threads take together, in two forms, and functions of one thread.

BLOCK uses shared memory and barriers. WARP uses the instructions of a warp, which the simulator lacks. Wherever one of
these steps is taken, all threads of the block take it, in both forms.
"""

import numpy as np

from shortlist_kernels.cuda.backend import (
    LANES,
    THREADS,
    WARP_SIZE,
    Forms,
    cuda,
    device_function,
    register_forms,
    rounded_product,
)

ALL = 0xFFFFFFFF
NUM_WARPS = max(THREADS // WARP_SIZE, 1)
NUM_DIGITS = 256
DIGITS_PER_LANE = NUM_DIGITS // WARP_SIZE
SMALLEST_KEY = np.iinfo(np.int64).min
LOW_BITS = np.iinfo(np.int64).max

# --- one thread ----------------------------------------------------------------------------------------------------


@device_function
def key_of(value):
    """An int64 that compares as the float64 does; both zeros are one, and NaN is below all."""
    if value != value:
        return np.int64(SMALLEST_KEY)
    bits = np.float64(value + 0.0).view(np.int64)
    return bits ^ ((bits >> np.int64(63)) & np.int64(LOW_BITS))


@device_function
def value_of(key):
    """The float64 that `key_of` was given, or NaN for the key of none."""
    return np.int64(key ^ ((key >> np.int64(63)) & np.int64(LOW_BITS))).view(np.float64)


@device_function
def is_better(major, minor, other_major, other_minor):
    """Whether a pair of keys stands before another."""
    return major > other_major or (major == other_major and minor > other_minor)


@device_function
def comes_before(value, index, other_value, other_index):
    """Whether a value is the larger one, or an equal one at a smaller index; index -1 stands for nothing."""
    if index < 0 or other_index < 0:
        return index >= 0
    return value > other_value or (value == other_value and index < other_index)


# --- blocks --------------------------------------------------------------------------------------------------------


@device_function
def reduce_lanes_block(value):
    """The sum over the `LANES` threads of a group, in the order of `reference.lane_sum`, for each of them."""
    thread = cuda.threadIdx.x
    values = cuda.shared.array(THREADS, np.float64)
    values[thread] = value
    cuda.syncthreads()
    lanes = thread - thread % LANES
    even = (values[lanes] + values[lanes + 4]) + (values[lanes + 2] + values[lanes + 6])
    odd = (values[lanes + 1] + values[lanes + 5]) + (values[lanes + 3] + values[lanes + 7])
    cuda.syncthreads()
    return even + odd


@device_function
def reserve_block(keep, counts, row):
    """A place of its own behind those taken in the row, for each thread that keeps something; -1 for the others."""
    if keep:
        return cuda.atomic.add(counts, row, 1)
    return -1


@device_function
def item_dot_block(wanted, vectors, position, probes, query):
    """float32 products of one item with one query, summed in any order; each thread has an item of its own."""
    total = np.float32(0.0)
    if wanted:
        for d in range(vectors.shape[1]):
            total += vectors[position, d] * probes[query, d]
    return total


@device_function
def best_of_block_block(value, index):
    """The index of the largest value, the smallest index among equal ones, for all threads; -1 if none has one."""
    thread = cuda.threadIdx.x
    values = cuda.shared.array(THREADS, np.float64)
    indices = cuda.shared.array(THREADS, np.int64)
    values[thread] = value
    indices[thread] = index
    cuda.syncthreads()
    width = THREADS // 2
    while width > 0:
        if thread < width and comes_before(
            values[thread + width], indices[thread + width], values[thread], indices[thread]
        ):
            values[thread] = values[thread + width]
            indices[thread] = indices[thread + width]
        cuda.syncthreads()
        width //= 2
    best = indices[0]
    cuda.syncthreads()
    return best


@device_function
def find_bucket_block(histogram, wanted):
    """(digit, num_above): the entries of larger digits are fewer than wanted, with those of the digit they suffice."""
    found = cuda.shared.array(2, np.int64)
    if cuda.threadIdx.x == 0:
        digit = NUM_DIGITS - 1
        above = 0
        while above + histogram[digit] < wanted:
            above += histogram[digit]
            digit -= 1
        found[0] = digit
        found[1] = above
    cuda.syncthreads()
    digit, above = found[0], found[1]
    cuda.syncthreads()
    return digit, above


# --- warps ---------------------------------------------------------------------------------------------------------


@device_function
def reduce_lanes_warp(value):
    """See `reduce_lanes_block`."""
    value += cuda.shfl_xor_sync(ALL, value, 4)
    value += cuda.shfl_xor_sync(ALL, value, 2)
    return value + cuda.shfl_xor_sync(ALL, value, 1)


@device_function
def reserve_warp(keep, counts, row):
    """See `reserve_block`; one addition per warp."""
    kept = cuda.ballot_sync(ALL, keep)
    first = np.int32(0)
    if cuda.laneid == 0 and kept != 0:
        first = cuda.atomic.add(counts, row, cuda.popc(kept))
    first = cuda.shfl_sync(ALL, first, 0)
    if not keep:
        return -1
    below = (np.int64(1) << np.int64(cuda.laneid)) - np.int64(1)
    return first + cuda.popc(np.uint32(np.int64(kept) & below))


@device_function
def item_dot_warp(wanted, vectors, position, probes, query):
    """See `item_dot_block`; the threads of a warp read one row after the other together."""
    lanes_wanted = np.int64(cuda.ballot_sync(ALL, wanted)) & np.int64(ALL)
    own = np.float32(0.0)
    for lane in range(WARP_SIZE):
        if (lanes_wanted >> np.int64(lane)) & np.int64(1):
            row = cuda.shfl_sync(ALL, position, lane)
            total = np.float32(0.0)
            d = np.int64(cuda.laneid)
            while d < vectors.shape[1]:
                total += vectors[row, d] * probes[query, d]
                d += WARP_SIZE
            total += cuda.shfl_xor_sync(ALL, total, 16)
            total += cuda.shfl_xor_sync(ALL, total, 8)
            total += cuda.shfl_xor_sync(ALL, total, 4)
            total += cuda.shfl_xor_sync(ALL, total, 2)
            total += cuda.shfl_xor_sync(ALL, total, 1)
            if lane == cuda.laneid:
                own = total
    return own


@device_function
def best_of_warp(value, index):
    """The best of a warp, for its first lane."""
    offset = WARP_SIZE // 2
    while offset > 0:
        other_value = cuda.shfl_down_sync(ALL, value, offset)
        other_index = cuda.shfl_down_sync(ALL, index, offset)
        if comes_before(other_value, other_index, value, index):
            value, index = other_value, other_index
        offset //= 2
    return value, index


@device_function
def best_of_block_warp(value, index):
    """See `best_of_block_block`."""
    thread = cuda.threadIdx.x
    values = cuda.shared.array(NUM_WARPS, np.float64)
    indices = cuda.shared.array(NUM_WARPS, np.int64)
    value, index = best_of_warp(value, np.int64(index))
    if cuda.laneid == 0:
        values[thread // WARP_SIZE] = value
        indices[thread // WARP_SIZE] = index
    cuda.syncthreads()
    value, index = values[0], indices[0]
    for warp in range(1, NUM_WARPS):
        if comes_before(values[warp], indices[warp], value, index):
            value, index = values[warp], indices[warp]
    cuda.syncthreads()
    return index


@device_function
def find_bucket_warp(histogram, wanted):
    """See `find_bucket_block`; the lanes of the first warp take a run of digits each, the first lane the largest."""
    found = cuda.shared.array(2, np.int64)
    if cuda.threadIdx.x < WARP_SIZE:
        lane = cuda.laneid
        top = NUM_DIGITS - 1 - lane * DIGITS_PER_LANE
        own = np.int32(0)
        for place in range(DIGITS_PER_LANE):
            own += histogram[top - place]
        until = own
        offset = 1
        while offset < WARP_SIZE:
            before = cuda.shfl_up_sync(ALL, until, offset)
            if lane >= offset:
                until += before
            offset *= 2
        above = until - own
        if above < wanted and until >= wanted:
            digit = top
            while above + histogram[digit] < wanted:
                above += histogram[digit]
                digit -= 1
            found[0] = digit
            found[1] = above
    cuda.syncthreads()
    digit, above = found[0], found[1]
    cuda.syncthreads()
    return digit, above


BLOCK = Forms("block", reduce_lanes_block, reserve_block, item_dot_block, best_of_block_block, find_bucket_block)
WARP = Forms("warp", reduce_lanes_warp, reserve_warp, item_dot_warp, best_of_block_warp, find_bucket_warp)
register_forms(BLOCK, WARP)

__all__ = ["BLOCK", "WARP", "comes_before", "is_better", "key_of", "rounded_product", "value_of"]
