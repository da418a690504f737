"""Neighbours of items and users beside implicit and scipy; of one changed user; and ratings predicted from them.

The data have the size of MovieLens-1M and long tails: `interactions` says how they are made. implicit is timed with its
own normalisation of the matrix (CosineRecommender) and without (all_pairs_knn), and asked for one more, as it counts
each item among its own. scipy multiplies the normalised matrix with itself and takes the best of each row. A place of
an answer agrees where the row that it names is as similar, by ours, as the one that ours has there.
"""

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.race import OURS, Race, share_equal
from benchmarks.timing import Work
from shortlist_kernels import Csr, Interactions, available_cores, neighbours, predict_ratings
from shortlist_kernels.arrays import Float32, Int64

NUM_USERS, NUM_ITEMS, NUM_ENTRIES, K = 6_041, 3_417, 999_367, 100
QUICK_USERS, QUICK_ITEMS, QUICK_ENTRIES, QUICK_K = 150, 90, 2_000, 5
ACTIVITY, POPULARITY = 1.2, 1.3  # deviations of the logarithms
RATING_SHARES = (0.056, 0.107, 0.261, 0.349, 0.227)  # of 1 to 5
NUM_PAIRS = 20_000
ROUNDING = 1e-6


def races(quick: bool) -> Iterator[Race]:
    matrix = (
        interactions(QUICK_USERS, QUICK_ITEMS, QUICK_ENTRIES)
        if quick
        else interactions(NUM_USERS, NUM_ITEMS, NUM_ENTRIES)
    )
    k = QUICK_K if quick else K
    for axis in ("items", "users"):
        yield all_rows(matrix, axis, k)
    yield one_user(matrix, k)
    for axis in ("items", "users"):
        yield ratings(matrix, axis)


def interactions(num_users: int, num_items: int, num_entries: int) -> Csr:
    """Ratings of 1 to 5 in as many distinct cells, each drawn by activity of its user times popularity of its item.

    Both are log-normal. At full size the sums of squared numbers of ratings, which decide how much there is to compute,
    are about 4.0e8 over users and 8.0e8 over items.
    """
    random = np.random.default_rng(7)
    activity_U = np.exp(ACTIVITY * random.standard_normal(num_users))
    popularity_I = np.exp(POPULARITY * random.standard_normal(num_items))
    # The first arrivals of independent Poisson processes are a draw without replacement.
    arrivals_UI = random.standard_exponential((num_users, num_items)) / np.outer(activity_U, popularity_I)
    cells = np.sort(np.argpartition(arrivals_UI.ravel(), num_entries)[:num_entries])
    users, items = np.divmod(cells, num_items)
    indptr = np.searchsorted(users, np.arange(num_users + 1)).astype(np.int64)
    values = random.choice(np.arange(1, 6).astype(np.float32), num_entries, p=RATING_SHARES)
    return Csr(indptr, items.astype(np.int32), values, (num_users, num_items))


def all_rows(matrix: Csr, axis: str, k: int) -> Race:
    found = neighbours(matrix, k, axis=axis)
    ours, likeness_NN = _places(found, k), _likeness(matrix, axis)
    exact = _with_one_thread(partial(neighbours, matrix, k, axis=axis))
    works: dict[str, Work] = dict(exact)
    agreements = {name: share_equal(found[:3], work()[:3]) for name, work in exact.items()}
    for name, work in _peers(matrix, axis, k).items():
        works[name] = work
        agreements[name] = agreement(likeness_NN, ours, _places(work(), k))
    num_rows, num_columns = matrix.shape if axis == "users" else matrix.shape[::-1]
    title = f"{k} neighbours of each of {num_rows:,} {axis} by {num_columns:,}, {matrix.data.size:,} entries"
    return Race(title=title, works=works, agreement=agreements)


def one_user(matrix: Csr, k: int) -> Race:
    """A user that the matrix does not have, with as many ratings as the median one."""
    from scipy import sparse

    prepared = Interactions.of(matrix)
    user = int(np.argsort(np.diff(matrix.indptr), kind="stable")[matrix.shape[0] // 2])
    own = slice(matrix.indptr[user], matrix.indptr[user + 1])
    items, values = matrix.indices[own], matrix.data[own]
    entries = (np.array([0, items.size]), items, values)
    by_item = _scipy(matrix).T.tocsr()
    row = sparse.csr_matrix((values.astype(np.float64), items, entries[0]), (1, matrix.shape[1]))
    ours = partial(neighbours, prepared, k, axis="users", rows=[-1], entries=entries)
    theirs = partial(_by_scipy_row, row, by_item, prepared.users.norms_R, k)
    likeness_1N = _dense(neighbours(prepared, matrix.shape[0], axis="users", rows=[-1], entries=entries))
    return Race(
        title=f"{k} neighbours of one user who has just rated {items.size} items",
        works={OURS: ours, "scipy": theirs},
        agreement={OURS: 1.0, "scipy": agreement(likeness_1N, _places(ours(), k), theirs())},
    )


def ratings(matrix: Csr, axis: str) -> Race:
    """No peer: scikit-surprise, which agrees with ours (tests/kernels/test_judge.py), predicts one at a time."""
    prepared, random = Interactions.of(matrix), np.random.default_rng(8)
    users, items = (random.integers(0, length, NUM_PAIRS) for length in matrix.shape)
    work = partial(predict_ratings, prepared, users, items, "pearson", axis=axis)
    exact, predicted = _with_one_thread(work), work()
    title = f"{NUM_PAIRS:,} ratings predicted from 40 {axis} by Pearson correlation, similarities included"
    agreements = {name: share_equal(predicted, one()) for name, one in exact.items()}
    return Race(title=title, works=dict(exact), agreement=agreements)


def _with_one_thread(work: Callable[..., Any]) -> dict[str, Callable[[], Any]]:
    """Ours, and where that is another thing ours on one thread."""
    alone = {f"{OURS}, 1 thread": partial(work, num_threads=1)} if available_cores() > 1 else {}
    return {OURS: work, **alone}


def agreement(likeness_RN: Float32, ours_RK: Int64, theirs_RK: Int64) -> float:
    """The share of our places that hold a row as similar as ours; of one that comes twice, the first; -1 is no row."""
    likeness_RN = np.pad(likeness_RN, ((0, 0), (0, 1)), constant_values=-np.inf)  # of -1
    expected_RK = np.take_along_axis(likeness_RN, ours_RK, axis=1)
    found_RK = np.take_along_axis(likeness_RN, theirs_RK, axis=1)
    for row, ids_K in enumerate(theirs_RK):
        is_repeated = np.ones(ids_K.size, np.bool_)
        is_repeated[np.unique(ids_K, return_index=True)[1]] = False
        found_RK[row, is_repeated] = -np.inf
    found_RK = -np.sort(-found_RK, axis=1)
    is_asked_RK = ours_RK >= 0
    return float(np.isclose(found_RK, expected_RK, ROUNDING, ROUNDING)[is_asked_RK].mean())


def _peers(matrix: Csr, axis: str, k: int) -> dict[str, Work]:
    """Peers find the similar columns, so users are those of the transposed matrix."""
    peers: dict[str, Work] = {}
    counts = _scipy(matrix) if axis == "items" else _scipy(matrix).T.tocsr()
    if importlib.util.find_spec("implicit"):
        from implicit.nearest_neighbours import CosineRecommender, all_pairs_knn, normalize

        threads = available_cores()
        normal = normalize(counts.T).T.tocsr()
        peers["implicit, all_pairs_knn"] = lambda: all_pairs_knn(normal, k + 1, threads, show_progress=False).tocsr()
        peers["implicit, CosineRecommender"] = partial(_by_recommender, CosineRecommender, counts, k + 1, threads)
    peers["scipy"] = partial(_by_scipy, counts, k)
    return peers


def _by_recommender(recommender: Any, counts: Any, k: int, num_threads: int) -> Any:
    model = recommender(K=k, num_threads=num_threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the form of a matrix that it makes itself
        model.fit(counts, show_progress=False)
    return model.similarity


def _by_scipy(counts: Any, k: int) -> Any:
    from scipy import sparse

    norms = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=0)).ravel())
    normal = (counts @ sparse.diags_array(1 / np.maximum(norms, 1e-12))).tocsr()
    product = (normal.T @ normal).tocsr()
    indptr, indices, data = [0], [], []
    for row in range(product.shape[0]):
        own = slice(product.indptr[row], product.indptr[row + 1])
        best = _best(product.data[own], k + 1)
        indices.append(product.indices[own][best])
        data.append(product.data[own][best])
        indptr.append(indptr[-1] + best.size)
    return sparse.csr_matrix((np.concatenate(data), np.concatenate(indices), indptr), product.shape)


def _by_scipy_row(row: Any, by_item: Any, norms_U: Any, k: int) -> Int64:
    products = (row @ by_item).tocsr()
    similarities = products.data / (np.sqrt((row.data**2).sum()) * norms_U[products.indices])
    best = _best(similarities, k)
    return np.asarray(products.indices[best][np.newaxis], np.int64)


def _best(similarities: Any, k: int) -> Any:
    found = np.argpartition(-similarities, min(k, similarities.size - 1))[:k] if similarities.size else np.empty(0, int)
    return found[np.argsort(-similarities[found])]


def _scipy(matrix: Csr) -> Any:
    from scipy import sparse

    return sparse.csr_matrix((matrix.data.astype(np.float64), matrix.indices, matrix.indptr), matrix.shape)


def _likeness(matrix: Csr, axis: str) -> Float32:
    return _dense(neighbours(matrix, max(matrix.shape), axis=axis))


def _dense(matrix: Csr) -> Float32:
    dense_RN = np.zeros(matrix.shape, np.float32)
    dense_RN[np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices] = matrix.data
    return dense_RN


def _places(found: Any, k: int) -> Int64:
    """The k best others of each row, -1 where there are no more; a row is no neighbour of itself."""
    places_RK = np.full((found.shape[0], k), -1, np.int64)
    for row in range(found.shape[0]):
        own = slice(found.indptr[row], found.indptr[row + 1])
        indices, values = np.asarray(found.indices[own]), np.asarray(found.data[own])
        order = np.argsort(-values, kind="stable")
        best = indices[order][indices[order] != (row if found.shape[0] > 1 else -1)][:k]
        places_RK[row, : best.size] = best
    return places_RK
