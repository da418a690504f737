"""What holds whichever rules a request has: on made-up lists, against the contract's words spelled out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist_kernels import VectorIndex
from shortlist_server.batching.levels import Level
from shortlist_server.catalog.spaces import Space
from shortlist_server.pipeline.query import Cap, Diversity, Freshness, Query, ShareLimits
from shortlist_server.pipeline.types import Batch, Ranking
from tests.server.pipeline.reranking.shelf import Shelf, noted, places, query, ranked

NAMES = ("a", "b", "c")
SHARES = st.sampled_from([0.0, 0.2, 1 / 3, 0.5, 0.6, 1.0])


@dataclass(frozen=True)
class Case:
    """A shelf of items of up to three categories, two prices and an age, and one or more lists of its first items."""

    categories: list[list[str]]
    prices: list[float | None]
    ages: list[float | None]
    asked: list[tuple[Query, list[float]]]
    history: list[int]
    level: Level

    def shelf(self) -> Shelf:
        # One more item has every category, so that a constraint may name any of them.
        categories = [*self.categories, list(NAMES)]
        return Shelf(categories, {"price": [*self.prices, None], "appeared": [*self.ages, None]})

    def answer(self, asked: Sequence[tuple[Query, Sequence[float]]] | None = None) -> tuple[Batch, Ranking]:
        vectors = VectorIndex(3)
        angles = np.arange(len(self.categories) + 1) * 0.7
        coordinates = np.stack([np.cos(angles), np.sin(angles), np.ones(len(angles))], axis=1)
        vectors.add(np.arange(len(angles)), coordinates.astype(np.float32))
        given_lists = self.asked if asked is None else asked
        space = Space("angles", vectors, 1)
        return ranked(self.shelf(), given_lists, history=self.history, space=space, level=self.level)


@st.composite
def limits(draw: st.DrawFn) -> tuple[ShareLimits, ...]:
    found: list[ShareLimits] = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)):
        low, high = sorted((draw(SHARES), draw(SHARES)))
        if math.fsum([low, *(one.min_share for one in found)]) <= 1.0:
            found.append(ShareLimits(category=name, min_share=low, max_share=high))
    return tuple(found)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    caps = [
        Cap(attribute=attribute, max_items=draw(st.integers(1, 3)))
        for attribute in ("category", "price")
        if draw(st.booleans())
    ]
    weights = st.sampled_from([0.0, 0.3, 1.0])
    favours = st.builds(Freshness, attribute=st.just("appeared"), half_life_days=st.just(2.0), weight=weights)
    return query(
        draw(st.integers(1, 6)),
        freshness=draw(st.one_of(st.none(), favours)),
        calibration=draw(weights),
        diversity=Diversity(method=draw(st.sampled_from(["mmr", "dpp"])), strength=draw(weights)),
        caps=tuple(caps),
        exposure=draw(limits()),
        timestamp=864_000,
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 7))
    values = st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75, 3.0]), max_size=size)
    return Case(
        categories=[draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=2)) for _ in range(size)],
        prices=[draw(st.sampled_from([None, 1.0, 2.0])) for _ in range(size)],
        ages=[draw(st.sampled_from([None, 0.0, 432_000.0, 864_000.0])) for _ in range(size)],
        asked=draw(st.lists(st.tuples(queries(), values), min_size=1, max_size=4)),
        history=draw(st.lists(st.integers(0, size - 1), unique=True, max_size=3)),
        level=draw(st.sampled_from(list(Level))),
    )


def count_over(case: Case, asked: Query, rows: Sequence[int]) -> int:
    """The most items beyond a cap that share a value."""
    over = 0
    for cap in asked.caps:
        of_item = case.categories if cap.attribute == "category" else [[p] if p else [] for p in case.prices]
        counts: dict[object, int] = {}
        for row in rows:
            for value in of_item[row]:
                counts[value] = counts.get(value, 0) + 1
        over = max([over, *(count - cap.max_items for count in counts.values())])
    return over


def group_of(case: Case, asked: Query, row: int) -> int:
    """The first constraint whose category the item has."""
    found = (place for place, one in enumerate(asked.exposure) if one.category in case.categories[row])
    return next(found, len(asked.exposure))


def keeps_shares(asked: Query, groups: Sequence[int]) -> bool:
    """Whether every head of an answer, given as the groups of its items, has the shares."""
    for length in range(1, len(groups) + 1):
        for group, one in enumerate(asked.exposure):
            count = groups[:length].count(group)
            if not math.floor(one.min_share * length + 1e-9) <= count <= math.ceil(one.max_share * length - 1e-9):
                return False
    return True


def heads(asked: Query, left: dict[int, int], length: int, so_far: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Every order of groups of this length that keeps the shares, of so many items of each group."""
    if len(so_far) == length:
        yield so_far
        return
    for group, count in left.items():
        if count and keeps_shares(asked, [*so_far, group]):
            yield from heads(asked, {**left, group: count - 1}, length, (*so_far, group))


@given(cases())
def test_caps_hold_on_every_level_beside_every_other_rule(case: Case) -> None:
    _, ranking = case.answer()
    for index, (asked, values) in enumerate(case.asked):
        rows = places(ranking, index)
        assert len(set(rows)) == len(rows) <= min(asked.k, len(values))
        assert count_over(case, asked, rows) == 0
        if not asked.caps:
            assert len(rows) == min(asked.k, len(values))


@given(cases())
def test_shares_hold_in_every_head_whenever_the_candidates_that_caps_leave_allow_it(case: Case) -> None:
    uncapped = [(replace(asked, caps=()), values) for asked, values in case.asked]
    batch, ranking = case.answer(uncapped)
    for index, (asked, values) in enumerate(uncapped):
        groups = [group_of(case, asked, row) for row in places(ranking, index)]
        left = dict.fromkeys(range(len(asked.exposure) + 1), 0)
        for row in range(len(values)):
            left[group_of(case, asked, row)] += 1
        is_possible = next(heads(asked, left, min(asked.k, len(values))), None) is not None
        assert keeps_shares(asked, groups) == is_possible
        assert (("exposure_constraints", "UNMET") in noted(batch, index)) == (not is_possible)


@given(cases())
def test_a_reply_says_whether_its_shares_hold(case: Case) -> None:
    batch, ranking = case.answer()
    for index, (asked, _) in enumerate(case.asked):
        groups = [group_of(case, asked, row) for row in places(ranking, index)]
        assert (("exposure_constraints", "UNMET") in noted(batch, index)) != keeps_shares(asked, groups)


@given(cases())
def test_the_relevance_lost_is_that_of_the_whole_chain(case: Case) -> None:
    _, ranking = case.answer()
    for index, (_, values) in enumerate(case.asked):
        rows = places(ranking, index)
        best = sorted(values, reverse=True)[: len(rows)]
        assert ranking.relevance_lost_B[index] == math.fsum(best) - math.fsum(values[row] for row in rows) >= 0.0


@given(cases())
def test_a_list_is_re_ranked_alike_alone_and_in_company(case: Case) -> None:
    batch, ranking = case.answer()
    for index, one in enumerate(case.asked):
        batch_alone, alone = case.answer([one])
        assert places(alone) == places(ranking, index)
        assert noted(batch_alone) == noted(batch, index)


@given(cases())
def test_a_request_without_rules_is_ordered_by_value_then_row(case: Case) -> None:
    plain = [(query(asked.k), values) for asked, values in case.asked]
    batch, ranking = case.answer(plain)
    for index, (asked, values) in enumerate(plain):
        expected = sorted(range(len(values)), key=lambda row: (-values[row], row))[: asked.k]
        assert places(ranking, index) == expected
        assert noted(batch, index) == []
