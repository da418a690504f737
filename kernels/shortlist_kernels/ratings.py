"""Ratings predicted from the nearest neighbours: `predict_ratings`, and the `baselines` that they may be told from."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Centring, Csr, Float32, Float64, Int64, Measure, RatingPairs
from shortlist_kernels.cpu._cpu import available_cores
from shortlist_kernels.interactions import AXES, Interactions, other_axis
from shortlist_kernels.reference import to_float32
from shortlist_kernels.similarity import measure

CENTRINGS = ("none", "mean", "baseline")
FEW_PAIRS = 64  # not worth waking a thread


class Baselines(NamedTuple):
    """What a rating is before any neighbour is asked: mean + users[user] + items[item]."""

    mean: float
    users: Float64
    items: Float64


def baselines(
    ratings_csr: Any, num_epochs: int = 10, user_regularisation: float = 15.0, item_regularisation: float = 10.0
) -> Baselines:
    """Biases of users and items by alternating least squares (Koren 2010), from 0.

    An epoch sets each item's bias to sum(rating - mean - its user's bias) / (item_regularisation + its number of
    ratings), and then each user's alike. ratings_csr: users x items, as `neighbours` takes it, or `Interactions`.
    """
    prepared = Interactions.of(ratings_csr)
    num_epochs = checks.whole_number("num_epochs", num_epochs, minimum=0)
    regularisations = {
        "users": checks.finite_number("user_regularisation", user_regularisation, minimum=0.0),
        "items": checks.finite_number("item_regularisation", item_regularisation, minimum=0.0),
    }
    biases = {axis: np.zeros(prepared.rows(axis).shape[0]) for axis in AXES}
    owners = {axis: np.repeat(np.arange(biases[axis].size), prepared.sizes(axis)) for axis in AXES}
    mean = prepared.mean
    for _ in range(num_epochs):
        for axis in ("items", "users"):
            matrix, sizes = prepared.rows(axis), prepared.sizes(axis)
            left = matrix.data.astype(np.float64) - mean - biases[other_axis(axis)][matrix.indices]
            sums = np.bincount(owners[axis], weights=left, minlength=sizes.size)
            divisors = regularisations[axis] + sizes
            biases[axis] = np.divide(sums, divisors, out=np.zeros(sizes.size), where=divisors > 0)
    return Baselines(mean, biases["users"], biases["items"])


def predict_ratings(
    ratings_csr: Any,
    users: Any,
    items: Any,
    similarity: str | Csr = "pearson",
    k: int = 40,
    min_k: int = 1,
    centring: str | Baselines = "mean",
    axis: str = "users",
    shrinkage: float = 0.0,
    min_overlap: int = 1,
    num_threads: int | None = None,
) -> Float32:
    """What users[p] would rate items[p], from the k most similar users that rated it: float32 (P,).

    centre + sum(s (rating - its centre)) / sum(s) over the users by (similarity s to the user descending, index
    ascending) that rated the item, s above 0, the user left out; with axis "items", over the items that the user rated.

    ratings_csr: users x items, as `neighbours` takes it, or `Interactions`. users, items: int64 (P,) each, -1 unknown.
    similarity: one of those of `neighbours`, with its shrinkage and min_overlap, computed in float64 for the users in
    question; or a square Csr that `neighbours` returned, with k large enough to hold all that may count (float32).
    centring: where ratings are told from, and what is predicted where fewer than min_k such users are found:

    none      0; the mean of all ratings is predicted. KNNBasic
    mean      the mean of each user's (or item's) ratings. KNNWithMeans
    baseline  `baselines` of the pair, those of the matrix or `Baselines` handed in. KNNBaseline

    Where the user or the item is -1 or has no ratings, the mean of all is predicted; with baselines, plus the bias of
    the one that is known. Nothing is clipped to a scale of ratings.
    num_threads: how many threads share the work; None means the cores of the process, one for few pairs.
    """
    prepared = Interactions.of(ratings_csr)
    checks.one_of("axis", axis, AXES)
    alike = _alike(prepared, axis, similarity, shrinkage, min_overlap)
    k, min_k = checks.whole_number("k", k, minimum=1), checks.whole_number("min_k", min_k, minimum=1)
    pairs = _Pairs(_ids(prepared, "users", users), _ids(prepared, "items", items))
    if pairs.users_P.size != pairs.items_P.size:
        raise ValueError(f"items must have one entry per user ({pairs.users_P.size}), got {pairs.items_P.size}")
    if num_threads is None:
        num_threads = 1 if pairs.users_P.size < FEW_PAIRS else available_cores()
    num_threads = checks.whole_number("num_threads", num_threads, minimum=1)
    told_from = _told_from(prepared, centring)
    fallbacks_P = _fallbacks(prepared, axis, pairs, told_from)
    predictions_P = to_float32(fallbacks_P)
    known = np.flatnonzero(_are_known(prepared, pairs))
    order = known[np.argsort(pairs.on(axis)[known], kind="stable")]
    if order.size:
        predictions_P[order] = dispatch.active().predict_ratings(
            prepared.given(axis, None),
            prepared.compared(axis),
            alike,
            _grouped(pairs.on(axis)[order], pairs.on(other_axis(axis))[order], fallbacks_P[order]),
            _centring(prepared, axis, told_from),
            k,
            min_k,
            num_threads,
        )
    return predictions_P


class _Pairs(NamedTuple):
    users_P: Int64
    items_P: Int64

    def on(self, axis: str) -> Int64:
        """Those of an axis."""
        return self.users_P if axis == "users" else self.items_P


def _ids(prepared: Interactions, axis: str, value: Any) -> Int64:
    ids_P = checks.integers(axis, value, ndim=1)
    checks.within(axis, ids_P, -1, prepared.rows(axis).shape[0] - 1)
    return ids_P


def _are_known(prepared: Interactions, pairs: _Pairs) -> NDArray[np.bool_]:
    """Whether both of a pair have ratings."""
    known = np.ones(pairs.users_P.size, np.bool_)
    for axis in AXES:
        known &= np.append(prepared.sizes(axis), 0)[pairs.on(axis)] > 0  # -1 is the one appended
    return known


def _alike(
    prepared: Interactions, axis: str, similarity: str | Csr, shrinkage: float, min_overlap: int
) -> Measure | Csr:
    if isinstance(similarity, str):
        return measure(similarity, shrinkage, min_overlap)
    matrix, num_rows = checks.unordered_matrix("similarity", similarity), prepared.rows(axis).shape[0]
    if matrix.shape != (num_rows, num_rows):
        raise ValueError(f"similarity must have shape {(num_rows, num_rows)}, got {matrix.shape}")
    return matrix


def _told_from(prepared: Interactions, centring: str | Baselines) -> str | Baselines:
    if isinstance(centring, str):
        checks.one_of("centring", centring, CENTRINGS)
        return baselines(prepared) if centring == "baseline" else centring
    if not isinstance(centring, Baselines):
        raise ValueError(f"centring must be one of {', '.join(CENTRINGS)} or Baselines, got {centring!r}")
    mean = checks.finite_number("centring.mean", centring.mean, minimum=-np.inf)
    biases = []
    for axis, values in (("users", centring.users), ("items", centring.items)):
        array = checks.numbers_per_query(f"centring.{axis}", values, prepared.rows(axis).shape[0])
        checks.finite(f"centring.{axis}", array)
        biases.append(array)
    return Baselines(mean, *biases)


def _centring(prepared: Interactions, axis: str, told_from: str | Baselines) -> Centring:
    if isinstance(told_from, Baselines):
        users_first = axis == "users"
        rows_R, columns_C = (told_from.users, told_from.items) if users_first else (told_from.items, told_from.users)
        return Centring(told_from.mean, rows_R, columns_C)
    means_R = prepared.means(axis)
    rows_R = means_R if told_from == "mean" else np.zeros_like(means_R)
    return Centring(0.0, rows_R, np.zeros(prepared.rows(axis).shape[1]))


def _fallbacks(prepared: Interactions, axis: str, pairs: _Pairs, told_from: str | Baselines) -> Float64:
    if isinstance(told_from, Baselines):
        biases_P = np.append(told_from.users, 0.0)[pairs.users_P]
        return np.asarray((told_from.mean + biases_P) + np.append(told_from.items, 0.0)[pairs.items_P], np.float64)
    if told_from == "none":
        return np.full(pairs.users_P.size, prepared.mean)
    means_P = np.append(prepared.means(axis), 0.0)[pairs.on(axis)]
    return np.where(_are_known(prepared, pairs), means_P, prepared.mean)


def _grouped(rows_P: Int64, columns_P: Int64, fallbacks_P: Float64) -> RatingPairs:
    """Pairs in order of row."""
    starts = np.flatnonzero(np.diff(rows_P, prepend=-1))
    starts_G = np.append(starts, rows_P.size).astype(np.int64)
    return RatingPairs(starts_G, rows_P[starts], np.ascontiguousarray(columns_P), fallbacks_P)
