"""Float64 scores and norms in the order of `reference.lane_sum`, and what bounds need of items and queries.

`LANES` threads share a row of a matrix, thread l taking the dimensions l, l + LANES, and so on.

Rows of `facts`, float64 (NUM_FACTS, N), for an item x:  SCALE: its score is scale * <probe, x> + offset + a constant of
the query, up to what REACH = scale * |x| allows.  MEAN and NORM are those of `reference.row_statistics`, or 0 and 1.
Rows of `query_facts`, float64 (NUM_FACTS, Q), for a query: CONSTANT, MARGIN, TINY (see scanning.py), MEAN and NORM.
"""

import math

import numpy as np

from shortlist_kernels.cuda.backend import LANES, THREADS, cuda, device_function, kernel
from shortlist_kernels.cuda.kernels.primitives import key_of, rounded_product

GROUPS = THREADS // LANES
NUM_FACTS = 5
SCALE, OFFSET, REACH, MEAN, NORM = range(NUM_FACTS)
CONSTANT, MARGIN, TINY = range(3)
EUCLIDEAN, PEARSON, COSINE = 2, 3, 1  # as in METRICS
UP = 1.0 + 2.0**-20
FLOAT32_STEP = 2.0**-23
SMALLEST_STEP = 2.0**-148
FLUSHED = 2.0**-125  # a device may take denormals for 0
FLOAT64_STEP = 2.0**-50  # times the number of dimensions and 16: more than all roundings of a float64 sum


@device_function
def lane_of_squares(rows, row, mean, is_row):
    """The thread's part of the sum of (x - mean) ** 2."""
    total = 0.0
    if is_row:
        d = cuda.threadIdx.x % LANES
        while d < rows.shape[1]:
            value = np.float64(rows[row, d]) - mean
            total += rounded_product(value, value)
            d += LANES
    return total


@device_function
def lane_of_values(rows, row, is_row):
    """The thread's part of the sum of x."""
    total = 0.0
    if is_row:
        d = cuda.threadIdx.x % LANES
        while d < rows.shape[1]:
            total += np.float64(rows[row, d])
            d += LANES
    return total


@device_function
def lane_of_score(is_euclidean, queries, query, query_mean, rows, row, mean, is_row):
    """The thread's part of the sum of (q - mean) * (x - mean), or of (q - x) ** 2."""
    total = 0.0
    if is_row:
        d = cuda.threadIdx.x % LANES
        while d < rows.shape[1]:
            if is_euclidean:
                difference = np.float64(queries[query, d]) - np.float64(rows[row, d])
                total += rounded_product(difference, difference)
            else:
                total += rounded_product(np.float64(queries[query, d]) - query_mean, np.float64(rows[row, d]) - mean)
            d += LANES
    return total


@device_function
def finished_score(is_euclidean, total, norm, other_norm):
    """The score that a sum stands for; norms are 1 where the metric has none."""
    if is_euclidean:
        return 0.0 - total
    norms = rounded_product(norm, other_norm)
    return total / norms if norms != 0.0 else 0.0


@kernel("void(int64, float32[:, ::1], int64, int64, float64[:, ::1])")
def describe_items(forms):
    """Writes the facts of the items from `first` to `first + count`."""
    reduce_lanes = forms.reduce_lanes

    def run(metric, vectors, first, count, facts):
        group = cuda.threadIdx.x // LANES
        for start in range(cuda.blockIdx.x * GROUPS, count, cuda.gridDim.x * GROUPS):
            is_item = start + group < count
            item = first + start + group
            length_squared = reduce_lanes(lane_of_squares(vectors, item, 0.0, is_item))
            mean, norm = 0.0, 1.0
            if metric == PEARSON:
                mean = reduce_lanes(lane_of_values(vectors, item, is_item)) / np.float64(vectors.shape[1])
            if metric in (PEARSON, COSINE):
                norm = math.sqrt(reduce_lanes(lane_of_squares(vectors, item, mean, is_item)))
            if is_item and cuda.threadIdx.x % LANES == 0:
                scale = 1.0 / norm if norm != 0.0 else 0.0
                facts[SCALE, item] = scale
                facts[OFFSET, item] = -length_squared if metric == EUCLIDEAN else 0.0
                facts[REACH, item] = scale * math.sqrt(length_squared) * UP
                facts[MEAN, item] = mean
                facts[NORM, item] = norm

    return run


@kernel("void(int64, float32[:, ::1], int64, float64, float32[:, ::1], float64[:, ::1])")
def describe_queries(forms):
    """Writes the probes, float32 (Q, D), and the facts of the queries; `step` is that of a product (scanning.py, 1)."""
    reduce_lanes = forms.reduce_lanes

    def run(metric, queries, num_queries, step, probes, facts):
        group, lane = cuda.threadIdx.x // LANES, cuda.threadIdx.x % LANES
        dim = queries.shape[1]
        for start in range(cuda.blockIdx.x * GROUPS, num_queries, cuda.gridDim.x * GROUPS):
            query = start + group
            is_query = query < num_queries
            length_squared = reduce_lanes(lane_of_squares(queries, query, 0.0, is_query))
            mean, norm = 0.0, 1.0
            if metric == PEARSON:
                mean = reduce_lanes(lane_of_values(queries, query, is_query)) / np.float64(dim)
            if metric in (PEARSON, COSINE):
                norm = math.sqrt(reduce_lanes(lane_of_squares(queries, query, mean, is_query)))
            scale = 1.0 / norm if norm != 0.0 else 0.0
            if metric == EUCLIDEAN:
                scale = 2.0
            total = 0.0
            if is_query:
                for d in range(lane, dim, LANES):
                    probe = np.float32((np.float64(queries[query, d]) - mean) * scale)
                    probes[query, d] = probe
                    total += np.float64(probe) * np.float64(probe)
            length = math.sqrt(reduce_lanes(total)) * UP
            if is_query and lane == 0:
                rounding = 2.0 * (FLOAT32_STEP * length + SMALLEST_STEP * dim)
                exact = (dim + 16) * FLOAT64_STEP * (length + scale * math.sqrt(length_squared) * UP)
                facts[CONSTANT, query] = -length_squared if metric == EUCLIDEAN else 0.0
                facts[MARGIN, query] = (step * length + rounding + exact + FLUSHED * dim) * UP if norm != 0.0 else 0.0
                facts[TINY, query] = FLUSHED * dim * (length + 1.0) if norm != 0.0 else 0.0
                facts[MEAN, query] = mean
                facts[NORM, query] = norm

    return run


@kernel(
    "void(int64, float32[:, ::1], float64[:, ::1], int64[::1], float32[:, ::1], float64[:, ::1], float32[:, ::1],"
    " int64, int32[:, ::1], int32[::1], int64[:, ::1], int64[:, ::1], int32[::1], int64[:, ::1], int64[:, ::1],"
    " int32[::1])"
)
def rescore(forms):
    """Writes rows of keys: those kept of earlier ones, then those of the candidates, scored in float64 with bias."""
    reduce_lanes = forms.reduce_lanes

    def run(
        metric,
        vectors,
        facts,
        ids,
        queries,
        query_facts,
        bias,
        num_bias_rows,
        candidates,
        counts,
        kept_major,
        kept_minor,
        num_kept,
        major,
        minor,
        totals,
    ):
        query = cuda.blockIdx.y
        group, lane = cuda.threadIdx.x // LANES, cuda.threadIdx.x % LANES
        kept = np.int64(num_kept[query])
        total_count = kept + np.int64(counts[query])
        if cuda.blockIdx.x == 0 and cuda.threadIdx.x == 0:
            totals[query] = total_count
        for start in range(cuda.blockIdx.x * GROUPS, total_count, cuda.gridDim.x * GROUPS):
            entry = start + group
            is_candidate = kept <= entry and entry < total_count
            item = np.int64(candidates[query, entry - kept]) if is_candidate else np.int64(0)
            part = lane_of_score(
                metric == EUCLIDEAN,
                queries,
                query,
                query_facts[MEAN, query],
                vectors,
                item,
                facts[MEAN, item],
                is_candidate,
            )
            total = reduce_lanes(part)
            if lane == 0:
                if is_candidate:
                    score = finished_score(metric == EUCLIDEAN, total, query_facts[NORM, query], facts[NORM, item])
                    if num_bias_rows > 0:
                        score = score + np.float64(bias[query if num_bias_rows > 1 else 0, item])
                    major[query, entry] = key_of(score)
                    minor[query, entry] = ~ids[item]
                elif entry < kept:
                    major[query, entry] = kept_major[query, entry]
                    minor[query, entry] = kept_minor[query, entry]

    return run
