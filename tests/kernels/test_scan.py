"""The scan of codes on each instruction set against the formula of scan.h, where its right side is exact in float32.

Arrays: Q queries, N items, D dimensions with those that fill the last quad.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch
from shortlist_kernels.cpu import _cpu

GROUP, QUAD, STRIP, QUERY_BLOCK, CODE_PADDING = 16, 4, 256, 32, 1024
HIT = np.dtype([("item", np.uint16), ("query", np.uint16), ("sum", np.int32)])
GUARD = np.array([(0xABCD, 0xABCD, -1)], HIT)
PLACES = {name: place for place, (name, _) in enumerate(_cpu.simd_names())}
ISAS = [isa for isa in dispatch.available_backends() if isa in PLACES]


@dataclass(frozen=True)
class Case:
    """A strip and a block of queries."""

    codes_ND: NDArray[np.uint8]
    queries_QD: NDArray[np.int8]
    inverses_N: NDArray[np.float32]
    limits_Q: NDArray[np.float32]
    units_Q: NDArray[np.float32]
    margins_Q: NDArray[np.float32]
    offsets: NDArray[np.float32] | None  # (Q, STRIP) or (1, N)

    def sums_QN(self) -> NDArray[np.int64]:
        return self.queries_QD.astype(np.int64) @ self.codes_ND.T.astype(np.int64)

    def wanted(self) -> NDArray[Any]:
        """The hits by the formula, by query and item."""
        sums_QN, limits_Q1 = self.sums_QN(), self.limits_Q[:, np.newaxis]
        if self.offsets is not None:
            limits_Q1 = limits_Q1 - self.units_Q[:, np.newaxis] * self.offsets[:, : len(self.codes_ND)]
        least_QN = limits_Q1 * self.inverses_N - self.margins_Q[:, np.newaxis]
        query, item = np.nonzero(sums_QN.astype(np.float32) >= least_QN)
        hits = np.empty(len(query), HIT)
        hits["query"], hits["item"], hits["sum"] = query, item, sums_QN[query, item]
        return hits


def scan(isa: str, case: Case, spare_stride: int = 0) -> NDArray[Any]:
    """The hits of one instruction set, by query and item."""
    num_items, dim = case.codes_ND.shape
    num_queries, num_quads = len(case.queries_QD), dim // QUAD
    codes = np.full(num_items * dim + CODE_PADDING, 255, np.uint8)
    by_group = case.codes_ND.reshape(num_items // GROUP, GROUP, num_quads, QUAD)
    codes[: num_items * dim] = by_group.transpose(0, 2, 1, 3).ravel()
    query_codes = np.full((QUERY_BLOCK, -(-dim // 64) * 64 + spare_stride), -128, np.int8)
    query_codes[:num_queries] = 0
    query_codes[:num_queries, :dim] = case.queries_QD
    hits = np.repeat(GUARD, num_queries * num_items + 1)
    count = _cpu.scan(
        PLACES[isa],
        codes,
        num_quads,
        case.inverses_N,
        query_codes,
        case.limits_Q,
        case.units_Q,
        case.margins_Q,
        case.offsets,
        hits,
    )
    assert (hits[num_queries * num_items :] == GUARD).all()
    return np.sort(hits[:count], order=["query", "item"])


def random_case(random: np.random.Generator, shape: tuple[int, int, int], largest: int, offsets: str = "none") -> Case:
    """A case of `shape` queries, groups, and pairs of quads. Limits lie just below, at or above the sum of one item a
    query, and everything is a multiple of a step that keeps the right side exact.
    """
    num_queries, num_groups, num_pairs = shape
    num_quads = 2 * num_pairs
    num_items, dim = num_groups * GROUP, num_quads * QUAD
    codes_ND = random.integers(1, 128, (num_items, dim), np.uint8)
    queries_QD = random.integers(-largest, largest + 1, (num_queries, dim)).astype(np.int8)
    queries_QD[:, dim - random.integers(2 * QUAD) :] = 0
    sums_QN = queries_QD.astype(np.int64) @ codes_ND.T
    inverses_N = random.choice(np.array([1, 1, 2, 4, np.nan], np.float32), num_items)
    step = 2.0 ** max(0, math.ceil(math.log2(4 * np.abs(sums_QN).max() + 10_000)) - 23)
    margins_Q = step * random.integers(0, 50, num_queries)
    near_Q = sums_QN[np.arange(num_queries), random.integers(num_items, size=num_queries)]
    limits_Q = step * np.round(near_Q / step) + margins_Q + step * random.integers(-1, 2, num_queries)
    limits_Q[random.random(num_queries) < 0.1] = np.inf
    limits_Q[random.random(num_queries) < 0.1] = -np.inf
    widths = {"none": None, "shared": (1, num_items), "per query": (num_queries, STRIP)}
    width = widths[offsets]
    return Case(
        codes_ND,
        queries_QD,
        inverses_N,
        limits_Q.astype(np.float32),
        (step * random.choice([0.0, 1, 4, -2], num_queries)).astype(np.float32),
        margins_Q.astype(np.float32),
        None if width is None else random.integers(-20, 21, width).astype(np.float32),
    )


@pytest.mark.parametrize("isa", ISAS)
@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, QUERY_BLOCK), st.integers(1, STRIP // GROUP), st.integers(1, 300)),
    offsets=st.sampled_from(["none", "shared", "per query"]),
    spare_stride=st.sampled_from([0, 64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_instruction_set_finds_what_the_formula_says(
    isa: str, shape: tuple[int, int, int], offsets: str, spare_stride: int, seed: int
) -> None:
    largest = _cpu.max_query_code(PLACES[isa])
    case = random_case(np.random.default_rng(seed), shape, largest, offsets)
    assert scan(isa, case, spare_stride).tolist() == case.wanted().tolist()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("num_queries", range(1, QUERY_BLOCK + 1))
def test_every_number_of_queries_meets_every_kind_of_remainder(isa: str, num_queries: int) -> None:
    random = np.random.default_rng(num_queries)
    largest = _cpu.max_query_code(PLACES[isa])
    for num_groups, num_pairs in itertools.product([1, 2, 3, 16], [1, 2, 3, 7, 8, 9, 16, 17]):
        case = random_case(random, (num_queries, num_groups, num_pairs), largest, "per query")
        assert scan(isa, case).tolist() == case.wanted().tolist(), (num_groups, num_pairs)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("num_queries", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_do_not_overflow(isa: str, num_queries: int, sign: int) -> None:
    ones_Q, dim = np.ones(num_queries, np.float32), 600 * QUAD
    largest = _cpu.max_query_code(PLACES[isa])
    codes_ND = np.full((GROUP, dim), 127, np.uint8)
    queries_QD = np.full((num_queries, dim), sign * largest, np.int8)
    case = Case(codes_ND, queries_QD, np.ones(GROUP, np.float32), -np.inf * ones_Q, ones_Q, ones_Q, None)
    hits = scan(isa, case)
    assert hits.tolist() == case.wanted().tolist()
    assert set(hits["sum"].tolist()) == {sign * largest * 127 * dim}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("num_queries", [1, 3, 7, 8, 17, 32])
def test_no_item_passes_an_infinite_limit_and_all_but_missing_ones_a_negative_one(isa: str, num_queries: int) -> None:
    random = np.random.default_rng(0)
    case = random_case(random, (num_queries, 5, 9), 31)
    is_item_N = ~np.isnan(case.inverses_N)
    case.limits_Q[:] = np.inf
    assert scan(isa, case).size == 0
    case.limits_Q[:] = -np.inf
    hits = scan(isa, case)
    assert hits["item"].reshape(num_queries, -1).tolist() == [np.flatnonzero(is_item_N).tolist()] * num_queries
