"""The k best of rows of keys, in order: digit by digit from the top, then by counting those that stand before."""

import numpy as np

from shortlist_kernels.cuda.backend import THREADS, cuda, device_function, kernel
from shortlist_kernels.cuda.kernels.primitives import NUM_DIGITS, SMALLEST_KEY, is_better, key_of, value_of

DIGIT_BITS = 8
TOP_SHIFT = 64 - DIGIT_BITS


@device_function
def digit_of(key, shift, limit):
    """The digit of a key at `shift` if its higher ones are those of `limit`, or -1; all keys have those of the top."""
    if shift == TOP_SHIFT:
        return (key >> np.int64(shift)) + np.int64(NUM_DIGITS // 2)
    if key >> np.int64(shift + DIGIT_BITS) != limit:
        return np.int64(-1)
    return (key >> np.int64(shift)) & np.int64(NUM_DIGITS - 1)


@device_function
def longer_limit(digit, shift, limit):
    """The limit with one more digit."""
    if shift == TOP_SHIFT:
        return np.int64(digit) - np.int64(NUM_DIGITS // 2)
    return (limit << np.int64(DIGIT_BITS)) | np.int64(digit)


@kernel(
    "void(int64[:, ::1], int64[:, ::1], int32[::1], int64, int64, int64[:, ::1], int64[:, ::1], int32[:, ::1],"
    " float64[::1])"
)
def select_best(forms):
    """Copies the k best of each part of a row, in any order, to their part of the output.

    A block takes `part_length` entries; `num_found` (R, parts), zeros before, counts what it wrote from entry part * k
    on. `floors` rise, where a row is one part, to a value that k of its entries reach.
    """
    reserve, find_bucket = forms.reserve, forms.find_bucket

    def run(major, minor, counts, part_length, k, best_major, best_minor, num_found, floors):
        row, part, thread = cuda.blockIdx.y, cuda.blockIdx.x, cuda.threadIdx.x
        histogram = cuda.shared.array(NUM_DIGITS, np.int32)
        start = part * part_length
        end = min(start + part_length, np.int64(counts[row]))
        shift, limit = np.int64(63), np.int64(-1)  # every key is at or above it
        minor_shift, minor_limit = np.int64(63), np.int64(-1)
        if end - start >= k and k > 0:
            wanted = np.int64(k)
            step = 0
            is_open = True
            while is_open and step < 2 * (64 // DIGIT_BITS):
                in_minor = step >= 64 // DIGIT_BITS
                at = np.int64(TOP_SHIFT - DIGIT_BITS * (step % (64 // DIGIT_BITS)))
                for digit in range(thread, NUM_DIGITS, THREADS):
                    histogram[digit] = 0
                cuda.syncthreads()
                for entry in range(start + thread, end, THREADS):
                    if not in_minor:
                        found = digit_of(major[row, entry], at, limit)
                    elif major[row, entry] == limit:
                        found = digit_of(minor[row, entry], at, minor_limit)
                    else:
                        found = np.int64(-1)
                    if found >= 0:
                        cuda.atomic.add(histogram, found, 1)
                cuda.syncthreads()
                digit, above = find_bucket(histogram, wanted)
                wanted -= above
                is_open = histogram[digit] != wanted
                if in_minor:
                    minor_shift, minor_limit = at, longer_limit(digit, at, minor_limit)
                else:
                    shift, limit = at, longer_limit(digit, at, limit)
                step += 1
                cuda.syncthreads()
            floor = value_of(limit << shift)
            if part == 0 and thread == 0 and floor > floors[row]:
                floors[row] = floor
        for base in range(start, end, THREADS):
            entry = base + thread
            keep = entry < end
            if keep:
                high = major[row, entry] >> shift
                keep = high > limit or (high == limit and minor[row, entry] >> minor_shift >= minor_limit)
            slot = reserve(keep, num_found, (row, part))
            if slot >= 0:
                best_major[row, part * k + slot] = major[row, entry]
                best_minor[row, part * k + slot] = minor[row, entry]

    return run


@device_function
def rank_of(major, minor, row, entry, count):
    """How many entries of a row stand before one."""
    rank = 0
    for other in range(count):
        if is_better(major[row, other], minor[row, other], major[row, entry], minor[row, entry]):
            rank += 1
    return rank


@kernel("void(int64[:, ::1], int64[:, ::1], int32[::1], int64, float32[:, ::1], int64[:, ::1])", uses_forms=False)
def write_scores(forms):
    """Scores in float32 and ids of the entries of each row, in order, with padding behind them."""

    def run(major, minor, counts, k, scores, ids):
        row = cuda.blockIdx.y
        count = np.int64(counts[row])
        for entry in range(cuda.grid(1), k, cuda.gridsize(1)):
            if entry < count:
                rank = rank_of(major, minor, row, entry, count)
                scores[row, rank] = np.float32(value_of(major[row, entry]))
                ids[row, rank] = ~minor[row, entry]
            else:
                scores[row, entry] = np.float32(-np.inf)
                ids[row, entry] = -1

    return run


@kernel(
    "void(int64[:, ::1], int64[:, ::1], int32[::1], int64, float32[:, ::1], float32[:, ::1], int64[:, ::1])",
    "void(int64[:, ::1], int64[:, ::1], int32[::1], int64, float64[:, ::1], float64[:, ::1], int64[:, ::1])",
    uses_forms=False,
)
def write_values(forms):
    """As `write_scores`, with values taken as they are from where the entries were."""

    def run(major, minor, counts, k, source, values, positions):
        row = cuda.blockIdx.y
        count = np.int64(counts[row])
        for entry in range(cuda.grid(1), k, cuda.gridsize(1)):
            if entry < count:
                rank = rank_of(major, minor, row, entry, count)
                positions[row, rank] = ~minor[row, entry]
                values[row, rank] = source[row, ~minor[row, entry]]
            else:
                values[row, entry] = -np.inf
                positions[row, entry] = -1

    return run


@kernel(
    "void(float32[:, ::1], int64, int64[:, ::1], int64[:, ::1])",
    "void(float64[:, ::1], int64, int64[:, ::1], int64[:, ::1])",
    uses_forms=False,
)
def make_keys(forms):
    """Rows of keys that stand for values, equal ones by position."""

    def run(values, num_columns, major, minor):
        row = cuda.blockIdx.y
        for column in range(cuda.grid(1), num_columns, cuda.gridsize(1)):
            major[row, column] = key_of(np.float64(values[row, column]))
            minor[row, column] = ~np.int64(column)

    return run


@kernel("void(float32[::1], int64, int64[::1])", "void(float64[::1], int64, int64[::1])", uses_forms=False)
def find_not_finite(forms):
    """The first place of NaN or an infinite value, if there is any before the one that `first` holds."""

    def run(values, count, first):
        for place in range(cuda.grid(1), count, cuda.gridsize(1)):
            if values[place] - values[place] != 0.0:
                cuda.atomic.min(first, 0, place)

    return run


__all__ = ["SMALLEST_KEY", "find_not_finite", "make_keys", "select_best", "write_scores", "write_values"]
