"""The most similar items or users of a sparse matrix: `neighbours`."""

from typing import Any

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import SIMILARITIES, Csr, GivenRows, Int64, Measure
from shortlist_kernels.cpu._cpu import available_cores
from shortlist_kernels.interactions import AXES, Interactions, other_axis

WORK_PER_THREAD = 1 << 18  # products; less is not worth waking a thread


def neighbours(
    interactions_csr: Any,
    k: int,
    similarity: str = "cosine",
    shrinkage: float = 0.0,
    axis: str = "items",
    min_overlap: int = 1,
    rows: Any = None,
    entries: Any = None,
    num_threads: int | None = None,
) -> Csr:
    """The k nearest neighbours of each item (column) or user (row) of a users x items matrix, as a square Csr.

    interactions_csr: a Csr, a scipy csr_matrix or anything with indptr, indices, data and shape, its values read as
    float32; or `Interactions`, prepared once for many calls. Rows of the result are in order of (similarity descending,
    index ascending). With a and b for the values that two items share, n for their number, and A and B for the whole:

    cosine           sum(a b) / (|A| |B| + shrinkage)
    co_rated_cosine  sum(a b) / sqrt(sum(a a) sum(b b)), as scikit-surprise defines cosine
    adjusted_cosine  the same of each value less its user's mean; for users, its item's mean (Sarwar et al. 2001)
    pearson          correlation of a and b, about their means over what is shared; as scikit-surprise defines it
    jaccard          n / (entries of A or B); only which entries there are counts, not their values
    euclidean        1 / (1 + |A - B|)
    dot              sum(a b)

    All but cosine are multiplied by n / (n + shrinkage), significance weighting. Nothing is a neighbour of itself. Left
    out are pairs that share fewer than `min_overlap` entries, or none, and pairs whose similarity is 0 or undefined (no
    variation, norm 0). Negative ones are kept: they come last, where k has room for them.

    rows: computes only these items or users (int64), result (len(rows), N), in the time that those take.
    entries: (indptr, indices, values float32), what each of `rows` has now instead of what the matrix holds; row -1 is
    one that the matrix does not have. "This user has just rated these items: who is alike?" is
    `neighbours(prepared, k, axis="users", rows=[user], entries=([0, items.size], items, ratings))`. The others, and the
    means of adjusted_cosine, stay as the matrix has them.
    num_threads: how many threads share the work; None means the cores of the process, one where there is little to do.
    """
    prepared = Interactions.of(interactions_csr)
    k = checks.whole_number("k", k, minimum=0)
    checks.one_of("axis", axis, AXES)
    by = measure(similarity, shrinkage, min_overlap)
    given = _given(prepared, axis, rows, entries)
    threads = _num_threads(num_threads, given, prepared.sizes(other_axis(axis)))
    return dispatch.active().similar_rows(given, prepared.compared(axis), k, by, threads)


def measure(similarity: str, shrinkage: float, min_overlap: int) -> Measure:
    """The settings of a similarity, checked."""
    checks.one_of("similarity", similarity, SIMILARITIES)
    return Measure(
        similarity,
        checks.finite_number("shrinkage", shrinkage, minimum=0.0),
        checks.whole_number("min_overlap", min_overlap, minimum=0),
    )


def _num_threads(num_threads: int | None, given: GivenRows, sizes_C: Int64) -> int:
    if num_threads is not None:
        return checks.whole_number("num_threads", num_threads, minimum=1)
    cores = available_cores()
    if given.indices.size >= cores * WORK_PER_THREAD:  # each has one product or more
        return cores
    return max(1, min(cores, int(sizes_C[given.indices].sum()) // WORK_PER_THREAD))


def _given(prepared: Interactions, axis: str, rows: Any, entries: Any) -> GivenRows:
    num_rows, num_columns = prepared.rows(axis).shape
    if rows is None:
        if entries is not None:
            raise ValueError("entries must come with rows, got rows None")
        return prepared.given(axis, None)
    owners = checks.integers("rows", rows, ndim=1)
    checks.within("rows", owners, 0 if entries is None else -1, num_rows - 1)
    if entries is None:
        return prepared.given(axis, owners)
    return _entered(owners, entries, num_columns)


def _entered(owners: Int64, entries: Any, num_columns: int) -> GivenRows:
    if not isinstance(entries, tuple) or len(entries) != 3:
        raise ValueError(f"entries must be a tuple (indptr, indices, values), got {type(entries).__name__}")
    matrix = checks.sparse_matrix("entries", Csr(*entries, (owners.size, num_columns)))
    return GivenRows(*matrix[:3], owners, num_columns, False)
