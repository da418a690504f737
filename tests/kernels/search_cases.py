"""What the tests of exact search share: vectors that bounds get wrong, ways to fill an index, and the true answer.

The answer comes from `reference.similarity` over vectors that the test holds, so it does not depend on how an index
stores or moves its items. Q queries, N items, D dimensions, K results.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import VectorIndex, dispatch, reference
from shortlist_kernels.arrays import Float32, Float64, Int64

Bools: TypeAlias = NDArray[np.bool_]
Found: TypeAlias = tuple[Float32, Int64]

COMPILED = [isa for isa in dispatch.available_backends() if isa != "reference"]
THREADS = (None, 1, 2, 3, 8)


def true_scores(metric: str, queries_QD: Float32, vectors_ND: Float32, bias: Float32 | None = None) -> Float64:
    """float64 (Q, N) by the definition; bias float32 (N,) or (Q, N)."""
    statistics = reference.row_statistics(metric, vectors_ND)
    scores = [reference.similarity(metric, query_D, vectors_ND, statistics) for query_D in queries_QD]
    scores_QN = np.array(scores).reshape(len(queries_QD), len(vectors_ND))
    return scores_QN if bias is None else scores_QN + bias


def in_order(scores_N: Float64, ids_N: Int64, allowed_N: Bools) -> Int64:
    """Positions of the allowed items, best first, equal scores by smaller id."""
    positions = np.flatnonzero(allowed_N)
    return positions[np.lexsort((ids_N[positions], -scores_N[positions]))]


def true_best(scores_QN: Float64, ids_N: Int64, k: int, allowed_QN: Bools | None = None) -> Found:
    """What `search` must return."""
    scores_QK = np.full((len(scores_QN), k), -np.inf, np.float32)
    ids_QK = np.full((len(scores_QN), k), -1, np.int64)
    for query, scores_N in enumerate(scores_QN):
        allowed_N = np.ones(ids_N.size, np.bool_) if allowed_QN is None else allowed_QN[query]
        best = in_order(scores_N, ids_N, allowed_N)[:k]
        scores_QK[query, : best.size] = reference.to_float32(scores_N[best])
        ids_QK[query, : best.size] = ids_N[best]
    return scores_QK, ids_QK


def assert_same(found: tuple[NDArray[Any], ...], expected: tuple[NDArray[Any], ...], *about: object) -> None:
    """Every type, shape and bit."""
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        assert (got.dtype, got.shape) == (want.dtype, want.shape), about
        if got.tobytes() != want.tobytes():
            place = tuple(int(axis[0]) for axis in np.nonzero(got != want)) or "sign of zero"
            raise AssertionError(f"{about}: differs first at {place}: got {got!r}, wanted {want!r}")


# --- vectors -------------------------------------------------------------------------------------------------------

Rows: TypeAlias = Callable[[np.random.Generator, int, int], NDArray[Any]]


def _normal(random: np.random.Generator, num_rows: int, dim: int) -> Float32:
    return random.standard_normal((num_rows, dim), np.float32)


def _clustered(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    centres = random.standard_normal((5, dim))
    rows = centres[random.integers(5, size=num_rows)] + 0.05 * random.standard_normal((num_rows, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _outlier_dimension(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    rows = _normal(random, num_rows, dim)
    rows[:, random.integers(dim)] *= 1e4
    return rows


def _outlier_row(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    rows = _normal(random, num_rows, dim)
    rows[num_rows // 3 : num_rows // 3 + 1] *= 1e6
    return rows


def _alternating(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    magnitudes = np.where(np.arange(num_rows) % 2, 1e30, 1e-30)[:, np.newaxis]
    return np.asarray(_normal(random, num_rows, dim) * magnitudes)


def _one_hot(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    return np.asarray(np.eye(dim)[random.integers(dim, size=num_rows)] * random.integers(1, 4, (num_rows, 1)))


def _ascending(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    return np.asarray((np.arange(num_rows)[:, np.newaxis] + 0.4 * random.random((num_rows, dim))) / max(num_rows, 1))


def _duplicates(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    return _normal(random, 7, dim)[random.integers(7, size=num_rows)]


def _near_ties(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    """Scores differ where float32 cannot tell: one tiny value beside large ones."""
    rows = np.tile(_normal(random, 1, dim), (num_rows, 1))
    rows[:, -1] = random.integers(-40, 41, num_rows) * np.float32(1e-10)
    return rows


def _half_steps(random: np.random.Generator, num_rows: int, dim: int) -> NDArray[Any]:
    """Codes of +-63 (or +-127) steps are nearly half a step off in all dimensions, along the queries of `queries_for`.

    So the Cauchy-Schwarz bound of the error is reached, and rows lie next to each other that are coded too high and too
    low by that much.
    """
    steps = random.integers(-2, 3, num_rows) + random.choice([-0.4995, 0.0, 0.4995], num_rows)
    rows = np.outer(steps + 1e-4 * random.random(num_rows), np.ones(dim))
    rows[num_rows // 2 :] *= _alternating_signs(dim)
    rows[:, 0] = np.where(random.random(num_rows) < 0.8, 63, 127)
    return rows


def _alternating_signs(dim: int) -> NDArray[Any]:
    return np.where(np.arange(dim) % 2, -1.0, 1.0)


KINDS: dict[str, Rows] = {
    "normal": _normal,
    "clustered unit vectors": _clustered,
    "lognormal norms": lambda r, n, d: _normal(r, n, d) * r.lognormal(0, 1.5, (n, 1)),
    "an outlier dimension": _outlier_dimension,
    "an outlier row": _outlier_row,
    "equal rows": lambda r, n, d: np.tile(_normal(r, 1, d), (n, 1)),
    "denormals": lambda r, n, d: r.integers(-9, 10, (n, d)) * 1e-44,
    "below any scale": lambda r, n, d: _normal(r, n, d) * 1e-33,
    "zeros": lambda r, n, d: np.where(r.random((n, d)) < 0.5, 0.0, -0.0),
    "mostly zero rows": lambda r, n, d: _normal(r, n, d) * (r.random((n, 1)) < 0.05),
    "huge": lambda r, n, d: _normal(r, n, d) * 1e30,
    "largest": lambda r, n, d: r.choice([3.4e38, -3.4e38, 3.3e38], (n, d)),
    "alternating magnitudes": _alternating,
    "magnitudes of all sorts": lambda r, n, d: _normal(r, n, d) * np.exp2(r.integers(-60, 60, (n, d))),
    "one-hot rows": _one_hot,
    "constant offset": lambda r, n, d: 1000 + 1e-3 * _normal(r, n, d),
    "ascending": _ascending,
    "descending": lambda r, n, d: _ascending(r, n, d)[::-1],
    "duplicates": _duplicates,
    "near ties": _near_ties,
    "small whole numbers": lambda r, n, d: r.integers(-2, 3, (n, d)),
    "half steps": _half_steps,
}


def vectors_of(kind: str, random: np.random.Generator, num_rows: int, dim: int) -> Float32:
    """float32 (num_rows, dim)."""
    return np.ascontiguousarray(KINDS[kind](random, num_rows, dim), np.float32)


def queries_for(kind: str, random: np.random.Generator, vectors_ND: Float32, num_queries: int) -> Float32:
    """float32 (num_queries, D): like the items, items themselves, plain, along the rounding errors, against, zero."""
    dim = vectors_ND.shape[1]
    queries_QD = vectors_of(kind, random, num_queries, dim)
    for query in range(num_queries):
        sort = (query + int(random.integers(7))) % 7
        if sort == 1 and len(vectors_ND):
            queries_QD[query] = vectors_ND[random.integers(len(vectors_ND))]
        elif sort == 2:
            queries_QD[query] = _normal(random, 1, dim)
        elif sort == 3:
            queries_QD[query] = 1
        elif sort == 4:
            queries_QD[query] = _alternating_signs(dim)
        elif sort == 5:
            queries_QD[query] = -1
        elif sort == 6 and random.random() < 0.3:
            queries_QD[query] = 0
    return queries_QD


# --- ids and indexes -----------------------------------------------------------------------------------------------

ID_KINDS = ("positions", "shuffled", "descending", "largest", "far apart")


def ids_of(kind: str, random: np.random.Generator, num_items: int) -> Int64:
    """Distinct ids; float64 cannot tell the largest from each other, and the low 32 bits of those far apart mislead."""
    ids_N = np.arange(num_items)
    if kind == "shuffled":
        return random.permutation(ids_N * 3)
    if kind == "descending":
        return ids_N[::-1].copy()
    if kind == "far apart":
        return random.permutation(ids_N) * np.int64(2**31 + 1)
    return np.int64(2**63 - 1) - random.permutation(ids_N) if kind == "largest" else ids_N


HISTORIES = ("at once", "in pieces", "updated", "thinned out")


def filled(
    history: str, random: np.random.Generator, metric: str, ids_N: Int64, vectors_ND: Float32, before: str = "huge"
) -> tuple[VectorIndex, Int64, Float32]:
    """An index of these items, made in one of several ways, with its ids and vectors in the order of its positions.

    Vectors of the kind `before` were in the index and had to give way.
    """
    index = VectorIndex(vectors_ND.shape[1], metric)
    pieces = np.array_split(random.permutation(ids_N.size), 1 if history == "at once" else 5)
    for number, piece in enumerate(pieces):
        if history == "updated":
            index.add(ids_N[piece], vectors_of(before, random, piece.size, index.dim))
        else:
            index.add(ids_N[piece], vectors_ND[piece])
        if history == "thinned out":
            index.add(_passing(ids_N, number), vectors_of(before, random, 60, index.dim))
    if history == "updated":
        for piece in np.array_split(random.permutation(ids_N.size), 3):
            index.update(ids_N[piece], vectors_ND[piece])
    if history == "thinned out":
        for number in random.permutation(len(pieces)):
            index.remove(_passing(ids_N, int(number)))
    place = {int(item): place for place, item in enumerate(ids_N)}
    order = np.array([place[int(item)] for item in index.ids], np.int64)
    return index, ids_N[order], vectors_ND[order]


def _passing(ids_N: Int64, number: int) -> Int64:
    """60 ids that no item has."""
    candidates = np.arange(60 * number, 60 * (number + 1)) + 2**40
    return candidates[~np.isin(candidates, ids_N)]
