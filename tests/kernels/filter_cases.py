"""Filters and biases for the tests of exact search, chosen with the scores in sight: Q queries, N items."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels.arrays import Float32, Float64, Int64
from tests.kernels.search_cases import Bools


class Filtered(NamedTuple):
    """Arguments of a search and what they allow."""

    arguments: dict[str, Any]
    allowed_QN: Bools


Filter: TypeAlias = Callable[[np.random.Generator, Int64, Float64], Filtered]


def _shared(allowed_N: Bools, num_queries: int) -> Bools:
    return np.tile(allowed_N, (num_queries, 1))


def _rows_of_ids(ids_N: Int64, chosen_QN: Bools) -> tuple[Int64, Int64]:
    """A CSR pair with the chosen ids of each query."""
    return np.cumsum([0, *chosen_QN.sum(axis=1)]), np.tile(ids_N, len(chosen_QN))[chosen_QN.ravel()]


def _best(scores_QN: Float64, count: int) -> Bools:
    """True at about the `count` best items of each query."""
    chosen_QN = np.zeros(scores_QN.shape, np.bool_)
    np.put_along_axis(chosen_QN, np.argsort(-scores_QN, axis=1, kind="stable")[:, :count], True, axis=1)
    return chosen_QN


def _mask_shared(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    allowed_N = random.random(ids_N.size) < random.choice([0.02, 0.5, 0.95])
    return Filtered({"mask": allowed_N}, _shared(allowed_N, len(scores_QN)))


def _mask_per_query(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    allowed_QN = random.random(scores_QN.shape) < random.random((len(scores_QN), 1))
    return Filtered({"mask": allowed_QN}, allowed_QN)


def _mask_packed(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    """Bits behind the last item are set and mean nothing."""
    allowed_QN = random.random(scores_QN.shape) < 0.3
    wide_QN = np.pad(allowed_QN, ((0, 0), (0, -ids_N.size % 8)), constant_values=True)
    return Filtered({"mask": np.packbits(wide_QN, axis=1, bitorder="little")}, allowed_QN)


def _mask_of_the_worse_half(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    allowed_QN = ~_best(scores_QN, ids_N.size // 2)
    return Filtered({"mask": allowed_QN}, allowed_QN)


def _mask_of_the_worst_item(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    allowed_QN = ~_best(scores_QN, ids_N.size - 1)
    return Filtered({"mask": allowed_QN}, allowed_QN)


def _mask_of_none(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    allowed_N = np.zeros(ids_N.size, np.bool_)
    return Filtered({"mask": allowed_N}, _shared(allowed_N, len(scores_QN)))


def _exclude_the_best(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    excluded_QN = _best(scores_QN, 200)
    return Filtered({"exclude": _rows_of_ids(ids_N, excluded_QN)}, ~excluded_QN)


def _exclude_shared(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    """With ids that the index lacks, and with each id twice."""
    excluded_N = random.permutation(ids_N.size) < 200
    listed = np.concatenate([ids_N[excluded_N], [2**41, -1], ids_N[excluded_N]])
    return Filtered({"exclude": listed}, _shared(~excluded_N, len(scores_QN)))


def _exclude_all(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    return Filtered({"exclude": ids_N}, np.zeros(scores_QN.shape, np.bool_))


def _allow_few_per_query(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    """About one in a hundred, some queries none."""
    allowed_QN = random.random(scores_QN.shape) < random.choice([0.0, 0.01, 0.02], (len(scores_QN), 1))
    return Filtered({"allow": _rows_of_ids(ids_N, allowed_QN)}, allowed_QN)


def _allow_few_shared(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    """With ids that the index lacks, and with each id twice."""
    allowed_N = random.permutation(ids_N.size) < max(1, ids_N.size // 100)
    listed = np.concatenate([ids_N[allowed_N], [2**41, -1], ids_N[allowed_N]])
    return Filtered({"allow": random.permutation(listed)}, _shared(allowed_N, len(scores_QN)))


def _allow_most(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    allowed_QN = random.random(scores_QN.shape) < 0.97
    return Filtered({"allow": _rows_of_ids(ids_N, allowed_QN)}, allowed_QN)


def _allow_none(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    return Filtered({"allow": np.empty(0, np.int64)}, np.zeros(scores_QN.shape, np.bool_))


def _all_three(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    mask, allow = _mask_packed(random, ids_N, scores_QN), _allow_most(random, ids_N, scores_QN)
    exclude = _exclude_shared(random, ids_N, scores_QN)
    return Filtered(
        mask.arguments | allow.arguments | exclude.arguments, mask.allowed_QN & allow.allowed_QN & exclude.allowed_QN
    )


def _all_three_of_few(random: np.random.Generator, ids_N: Int64, scores_QN: Float64) -> Filtered:
    """Short lists per query that overlap: of what is allowed, half is excluded and half is masked."""
    mask_QN = random.random(scores_QN.shape) < 0.5
    listed_QN, excluded_QN = random.random(scores_QN.shape) < 0.03, random.random(scores_QN.shape) < 0.5
    arguments = {
        "mask": mask_QN,
        "allow": _rows_of_ids(ids_N, listed_QN),
        "exclude": _rows_of_ids(ids_N, excluded_QN),
    }
    return Filtered(arguments, mask_QN & listed_QN & ~excluded_QN)


FILTERS: dict[str, Filter] = {
    "no filter": lambda r, ids, scores: Filtered({}, np.ones(scores.shape, np.bool_)),
    "mask": _mask_shared,
    "mask per query": _mask_per_query,
    "packed mask": _mask_packed,
    "mask of the worse half": _mask_of_the_worse_half,
    "mask of the worst item": _mask_of_the_worst_item,
    "mask of none": _mask_of_none,
    "exclude the best": _exclude_the_best,
    "exclude": _exclude_shared,
    "exclude all": _exclude_all,
    "allow few per query": _allow_few_per_query,
    "allow few": _allow_few_shared,
    "allow most": _allow_most,
    "allow none": _allow_none,
    "all three": _all_three,
    "all three of few": _all_three_of_few,
}


def bias_of(kind: str, random: np.random.Generator, scores: Float64) -> Float32:
    """float32 of the shape of `scores`, (N,) or (Q, N): what stands against which scores."""
    normal: Float32 = random.standard_normal(scores.shape, np.float32)
    kinds: dict[str, Callable[[], NDArray[Any]]] = {
        "normal": lambda: normal,
        "huge": lambda: normal * 1e30,
        "largest": lambda: np.where(normal > 0, 3.4e38, -3.4e38),
        "tiny": lambda: normal * 1e-30,
        "of one item": lambda: np.where(normal == normal.max(axis=-1, keepdims=True), 1e6, 0.0),
        "of two values": lambda: np.where(normal > 0, 1.0, 0.0),
        # What is left is what float32 had rounded off.
        "against the score": lambda: np.clip(-scores, -3.4e38, 3.4e38),
        "far above the scores": lambda: 1e9 + normal,
    }
    return np.ascontiguousarray(kinds[kind](), np.float32)


BIASES = (
    "normal",
    "huge",
    "largest",
    "tiny",
    "of one item",
    "of two values",
    "against the score",
    "far above the scores",
)
