"""rerank: the order of the reply, by value and then by the rules that each request has.

Shapes: B requests, C candidates, K results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist_server.batching.levels import Level
from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.spaces import Space
from shortlist_server.pipeline.reranking import (
    CalibrationRule,
    CapsRule,
    DiversityRule,
    ExposureRule,
    FreshnessRule,
    RankedList,
    Rule,
)
from shortlist_server.pipeline.types import PADDING, Batch, Degraded, Profiles, Ranking, Scored


def build_rules(catalog: Catalog, space: Space | None, num_threads: int) -> tuple[Rule, ...]:
    """The rules of re-ranking in the order in which they apply; `reranking` says why it is this one."""
    return (
        FreshnessRule(catalog),
        CalibrationRule(catalog),
        DiversityRule(space, num_threads),
        CapsRule(catalog),
        ExposureRule(catalog),
    )


def rerank(batch: Batch, profiles: Profiles, scored: Scored, *, rules: Sequence[Rule]) -> Ranking:
    """The best k candidates of each request by (value descending, row ascending), re-ordered by one rule after another.

    Wishes are left out, and named, where the level says so. The relevance lost is the sum of as many best values minus
    that of the items chosen.
    """
    lists = _by_value(batch, profiles, scored)
    for rule_index, rule in enumerate(rules):
        concerned = [ranked for ranked in lists.values() if len(ranked) and rule.applies(ranked.query)]
        if not concerned:
            continue
        if batch.level >= Level.NO_RERANK and not rule.is_demand:
            _leave_out(batch, rule, concerned)
            continue
        later = rules[rule_index + 1 :]
        for ranked in rule.apply(batch, [_with_places(ranked, later) for ranked in concerned]):
            lists[ranked.request_index] = ranked
    return _ranking(batch, scored, lists)


def _by_value(batch: Batch, profiles: Profiles, scored: Scored) -> dict[int, RankedList]:
    """The candidates of each live request by (value descending, row ascending), by the index of the request."""
    rows_BC, values_BC = scored.candidates.rows_BC, scored.values_BC
    # Padding has the value -inf, so it stands last.
    order_BC = np.lexsort((rows_BC, -values_BC), axis=-1)
    num_used_B = np.count_nonzero(rows_BC != PADDING, axis=1)
    lists = {}
    for index in batch.live():
        order_C = order_BC[index, : num_used_B[index]]
        lists[index] = RankedList(
            request_index=index,
            query=batch.queries[index],
            history_L=profiles.history_of(index),
            candidates_C=order_C,
            rows_C=rows_BC[index, order_C],
            values_C=values_BC[index, order_C].astype(np.float64),
            num_places=batch.queries[index].k,
        )
    return lists


def _with_places(ranked: RankedList, later: Sequence[Rule]) -> RankedList:
    """The list, to be settled as deep as the later rules of its request look at it."""
    k = ranked.query.k
    depths = [rule.depth(k) for rule in later if rule.applies(ranked.query)]
    return ranked.to_settle(max(depths, default=k))


def _leave_out(batch: Batch, rule: Rule, lists: Sequence[RankedList]) -> None:
    detail = f"the deadline left no time for {rule.name}"
    for ranked in lists:
        batch.degrade(
            ranked.request_index, Degraded(stage="RERANK", reason="DEADLINE", source=rule.name, detail=detail)
        )


def _ranking(batch: Batch, scored: Scored, lists: dict[int, RankedList]) -> Ranking:
    width = max(query.k for query in batch.queries)
    candidates_BK = np.full((len(batch), width), PADDING, dtype=np.int64)
    lost_B = np.zeros(len(batch), dtype=np.float64)
    for index, ranked in lists.items():
        chosen = ranked.candidates_C[: ranked.query.k]
        candidates_BK[index, : len(chosen)] = chosen
        # Places keep their values through all rules, so those of a list are still the best that there are.
        lost_B[index] = _total(ranked.values_C[: len(chosen)]) - _total(scored.values_BC[index, chosen])
    return Ranking(candidates_BK=candidates_BK, relevance_lost_B=lost_B)


def _total(values: NDArray[np.float64] | NDArray[np.float32]) -> float:
    """Rounded once, so that no order of the best is worth more than the best."""
    return math.fsum(values.tolist())
