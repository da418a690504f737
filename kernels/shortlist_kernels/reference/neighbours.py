"""How alike two rows of a sparse matrix are, and the rows most alike to given ones."""

import numpy as np

from shortlist_kernels.arrays import ComparedRows, Csr, Float64, GivenRows, Int64, Measure
from shortlist_kernels.reference.scores import to_float32

FLOAT64_STEP = 2.0**-52


def transpose(matrix: Csr) -> Csr:
    """The transposed matrix; its rows ascend too."""
    order = np.argsort(matrix.indices, kind="stable")
    indptr = np.zeros(matrix.shape[1] + 1, np.int64)
    np.cumsum(np.bincount(matrix.indices, minlength=matrix.shape[1]), out=indptr[1:])
    return Csr(indptr, _owners(matrix).astype(np.int32)[order], matrix.data[order], matrix.shape[::-1])


def row_totals(matrix: Csr) -> tuple[Float64, Float64]:
    """The sums and the sums of squares of the rows, one entry after the other."""
    values = matrix.data.astype(np.float64)
    owners, num_rows = _owners(matrix), matrix.shape[0]
    sums_R = np.bincount(owners, weights=values, minlength=num_rows).astype(np.float64)
    return sums_R, np.bincount(owners, weights=values * values, minlength=num_rows).astype(np.float64)


def _owners(matrix: Csr) -> Int64:
    """The row of each entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def similar_rows(given: GivenRows, compared: ComparedRows, k: int, measure: Measure, num_threads: int) -> Csr:
    """The k rows most alike to each given one by `row_similarities`, rounded to float32 (-0 to 0).

    In order of (similarity descending, index ascending).
    """
    del num_threads  # no more than a matter of time
    num_rows = compared.by_column.shape[1]
    indptr, indices, data = [0], [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    for row in range(given.owners_G.size):
        others, similarities = row_similarities(given, row, compared, measure)
        rounded = to_float32(similarities) + np.float32(0)
        best = np.lexsort((others, -rounded))[:k]
        indices.append(others[best].astype(np.int32))
        data.append(rounded[best])
        indptr.append(indptr[-1] + best.size)
    shape = (given.owners_G.size, num_rows)
    return Csr(np.array(indptr, np.int64), np.concatenate(indices), np.concatenate(data), shape)


def row_similarities(given: GivenRows, row: int, compared: ComparedRows, measure: Measure) -> tuple[Int64, Float64]:
    """The rows that are neighbours of one given row, ascending, and how alike each is.

    A neighbour is another row that shares `max(1, min_overlap)` entries and whose similarity is not 0. Sums run over
    the shared entries in ascending order of column. With a and b for the values there, n for their number, A and B for
    the whole rows:

    dot              sum(a b)
    cosine           sum(a b) / (|A| |B| + shrinkage)
    co_rated_cosine  sum(a b) / sqrt(sum(a a) sum(b b))
    adjusted_cosine  the same of a - m and b - m, m the mean of the column
    pearson          (n sum(a b) - sum(a) sum(b)) / sqrt(v(a) v(b)), at least -1 and at most 1; v(a) = n sum(a a) -
                     sum(a)^2, and 0 unless above n^2 2^-52 sum(a a), below which rounding decides
    jaccard          n / (entries of A + entries of B - n)
    euclidean        1 / (1 + sqrt(sum((a - b)^2) + rest(A) + rest(B))); rest(A) = |A|^2 - sum(a a), at least 0

    Where a root is 0 so is the similarity. All but cosine are then multiplied by n / (n + shrinkage).
    """
    own = slice(given.indptr[row], given.indptr[row + 1])
    shared = _Shared(compared.by_column.shape[1])
    for column, value in zip(given.indices[own], given.data[own].astype(np.float64), strict=True):
        others = slice(compared.by_column.indptr[column], compared.by_column.indptr[column + 1])
        mean = compared.column_means_C[column] if measure.similarity == "adjusted_cosine" else 0.0
        values = compared.by_column.data[others].astype(np.float64)
        shared.add(compared.by_column.indices[others].astype(np.int64), value - mean, values - mean)
    is_other = shared.counts_R >= max(1, measure.min_overlap)
    if given.owners_G[row] >= 0:
        is_other[given.owners_G[row]] = False
    others_N = np.flatnonzero(is_other)
    value_N, by_N = _fraction(measure, shared.at(others_N), _whole(given, row), compared, others_N)
    known = (value_N != 0) & (by_N != 0)
    similarities = value_N[known] / by_N[known]
    if measure.similarity == "pearson":
        similarities = np.minimum(np.maximum(similarities, -1.0), 1.0)
    if measure.similarity != "cosine":
        counts = shared.counts_R[others_N[known]]
        similarities *= counts / (counts + measure.shrinkage)
    return others_N[known], similarities


class _Shared:
    """Sums over the entries that one row shares with each other."""

    def __init__(self, num_rows: int) -> None:
        self.products_R, self.differences_R, self.counts_R = (np.zeros(num_rows) for _ in range(3))
        self.own_squares_R, self.squares_R = np.zeros(num_rows), np.zeros(num_rows)
        self.own_sums_R, self.sums_R = np.zeros(num_rows), np.zeros(num_rows)

    def add(self, others: Int64, own: float, values: Float64) -> None:
        """One column: the row's own value there, and the others with theirs."""
        self.counts_R[others] += 1.0
        self.products_R[others] += own * values
        self.differences_R[others] += np.square(own - values)
        self.own_squares_R[others] += own * own
        self.squares_R[others] += values * values
        self.own_sums_R[others] += own
        self.sums_R[others] += values

    def at(self, others_N: Int64) -> "_Shared":
        """The sums with these rows only."""
        chosen = _Shared(0)
        for name, sums_R in vars(self).items():
            setattr(chosen, name, sums_R[others_N])
        return chosen


def _whole(given: GivenRows, row: int) -> tuple[int, float]:
    """The number of entries of a given row and the sum of their squares, one after the other."""
    values = given.data[given.indptr[row] : given.indptr[row + 1]].astype(np.float64)
    return values.size, float(np.cumsum(values * values)[-1]) if values.size else 0.0


def _fraction(
    measure: Measure, shared: _Shared, whole: tuple[int, float], compared: ComparedRows, others_N: Int64
) -> tuple[Float64, Float64]:
    """Above and below the line of the formula."""
    size, squares = whole
    counts_N, products_N = shared.counts_R, shared.products_R
    match measure.similarity:
        case "dot":
            return products_N, np.ones_like(products_N)
        case "cosine":
            return products_N, np.sqrt(squares) * compared.norms_R[others_N] + measure.shrinkage
        case "jaccard":
            return counts_N, (size + compared.sizes_R[others_N]) - counts_N
        case "euclidean":
            own_rest_N = np.maximum(squares - shared.own_squares_R, 0.0)
            rest_N = np.maximum(compared.squares_R[others_N] - shared.squares_R, 0.0)
            return np.ones_like(counts_N), 1.0 + np.sqrt(shared.differences_R + (own_rest_N + rest_N))
        case "pearson":
            own_N = _variation(counts_N, shared.own_sums_R, shared.own_squares_R)
            other_N = _variation(counts_N, shared.sums_R, shared.squares_R)
            return counts_N * products_N - shared.own_sums_R * shared.sums_R, np.sqrt(own_N * other_N)
    return products_N, np.sqrt(shared.own_squares_R * shared.squares_R)


def _variation(counts: Float64, sums: Float64, squares: Float64) -> Float64:
    """n^2 times the variance; 0 where it cannot be told from 0."""
    variation = counts * squares - sums * sums
    return np.where(variation > counts * counts * FLOAT64_STEP * squares, variation, 0.0)
