"""Which items may reach a floor, judged by a float32 product of the item with the query's probe.

Let z be the query as the metric compares it (q, q / |q|, (q - mean) / its norm, or 2q), p its probe, which is z rounded
to float32, and s_x = 1 or 1 / |x| (about the mean for pearson). The score is s_x <z, x - mean(x)> + offset + constant.

1. A float32 sum of d products is off by at most d 2^-24 / (1 - d 2^-24) |p| |x|, in any order and fused or not, as long
   as nothing overflows; what overflows leaves the sum infinite or NaN, and such items always pass.
2. |z - p| <= 2^-24 |z|, so <z, x> and <p, x> differ by at most |z - p| |x|. For pearson, mean(x) <p, 1> is left out:
   <z, 1> = 0, so it is at most |mean(x)| sqrt(d) |z - p| <= |x| |z - p|.
3. The float64 score of the reference is off by less than (d + 16) 2^-50 of |z| |x| s_x or, for euclidean, of
   |q|^2 + |x|^2; for pearson its mean of q leaves <z, 1> off by as much of |q| / |q - mean|. Adding a bias rounds once.
4. Products below 2^-126 may be lost: at most d 2^-125 (|p| + |x| + 1).

So score <= s_x (product + TINY) + offset + constant + bias + REACH * MARGIN + slack (|offset| + |constant| + |bias|),
where MARGIN holds what goes with |x| of 1 to 4 and slack is (d + 32) 2^-50. This is computed in float64; what rounds
there is far below the margins. The step in 1 is another one where a library multiplies.
"""

import numpy as np

from shortlist_kernels.cuda.backend import THREADS, cuda, device_function, kernel
from shortlist_kernels.cuda.kernels.scoring import CONSTANT, MARGIN, OFFSET, REACH, SCALE, TINY


@device_function
def may_reach(product, facts, item, query_facts, query, added, slack, floor):
    """Whether the exact score, bias `added`, may be the floor or more."""
    offset, constant = facts[OFFSET, item], query_facts[CONSTANT, query]
    estimate = facts[SCALE, item] * (np.float64(product) + query_facts[TINY, query]) + offset + constant + added
    room = facts[REACH, item] * query_facts[MARGIN, query] + slack * (abs(offset) + abs(constant) + abs(added))
    is_finite = product - product == np.float32(0.0)
    return not is_finite or not (estimate + room < floor)


@device_function
def is_allowed(words, num_word_rows, query, item):
    """Whether the filters let a query have an item."""
    if num_word_rows == 0:
        return True
    word = np.int64(words[query if num_word_rows > 1 else 0, item >> 5])
    return (word >> np.int64(item & 31)) & np.int64(1) != 0


@device_function
def bias_at(bias, num_bias_rows, query, item):
    """The bias of an item for a query."""
    if num_bias_rows == 0:
        return 0.0
    return np.float64(bias[query if num_bias_rows > 1 else 0, item])


@kernel(
    "void(float32[:, ::1], float64[:, ::1], float32[:, ::1], float64[:, ::1], int64, float64[::1], uint32[:, ::1],"
    " int64, float32[:, ::1], int64, int64, int64, int64, float64, int32[:, ::1], int32[::1])"
)
def scan(forms):
    """Products, judgement and collection in one: for few queries, and where no library multiplies.

    Of the items first, first + stride, ... (num_items of them) those that may reach the query's floor become its
    candidates; `counts` tells how many there are, of which no more than there is room for are kept.
    """
    item_dot, reserve = forms.item_dot, forms.reserve

    def run(
        vectors,
        facts,
        probes,
        query_facts,
        num_queries,
        floors,
        words,
        num_word_rows,
        bias,
        num_bias_rows,
        first,
        stride,
        num_items,
        slack,
        candidates,
        counts,
    ):
        for start in range(cuda.blockIdx.x * THREADS, num_items, cuda.gridDim.x * THREADS):
            place = start + cuda.threadIdx.x
            item = first + place * stride
            for query in range(num_queries):
                keep = place < num_items
                if keep:
                    keep = is_allowed(words, num_word_rows, query, item)
                product = item_dot(keep, vectors, item, probes, query)
                if keep:
                    added = bias_at(bias, num_bias_rows, query, item)
                    keep = may_reach(product, facts, item, query_facts, query, added, slack, floors[query])
                slot = reserve(keep, counts, query)
                if slot >= 0 and slot < candidates.shape[1]:
                    candidates[query, slot] = item

    return run


@kernel(
    "void(float32[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1], uint32[:, ::1], int64,"
    " float32[:, ::1], int64, int64, int64, float64, int32[:, ::1], int32[::1])"
)
def filter_products(forms):
    """As `scan`, of products (Q, T) that a library has made with `num_items` items from `first` on."""
    reserve = forms.reserve

    def run(
        products,
        facts,
        query_facts,
        floors,
        words,
        num_word_rows,
        bias,
        num_bias_rows,
        first,
        num_items,
        slack,
        candidates,
        counts,
    ):
        query = cuda.blockIdx.y
        for start in range(cuda.blockIdx.x * THREADS, num_items, cuda.gridDim.x * THREADS):
            place = start + cuda.threadIdx.x
            item = first + place
            keep = place < num_items
            if keep:
                keep = is_allowed(words, num_word_rows, query, item)
            if keep:
                added = bias_at(bias, num_bias_rows, query, item)
                product = products[query, place]
                keep = may_reach(product, facts, item, query_facts, query, added, slack, floors[query])
            slot = reserve(keep, counts, query)
            if slot >= 0 and slot < candidates.shape[1]:
                candidates[query, slot] = item

    return run
