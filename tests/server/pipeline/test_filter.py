"""filter: asking k gives k whenever k allowed items exist, and nothing that is not allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.v1.filter_pb2 import (
    AVAILABILITY_ANY,
    SEEN_POLICY_EXCLUDE_PURCHASED,
    SEEN_POLICY_INCLUDE,
    Filters,
    NumericRange,
)
from shortlist.v1.history_pb2 import EVENT_TYPE_DISLIKE, EVENT_TYPE_PURCHASE, EVENT_TYPE_VIEW, History
from shortlist.v1.recommendation_pb2 import RankRequest, RecommendRequest, SourceWeight
from shortlist_server.batching.deadline import UNLIMITED
from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.decode import Request, decode
from shortlist_server.pipeline.decoding.defaults import Defaults
from shortlist_server.pipeline.decoding.filters import decode_filters
from shortlist_server.pipeline.decoding.violations import Violations
from shortlist_server.pipeline.filter import RuleMasks, allowed_by_rules, filter_items
from shortlist_server.pipeline.profile import profile
from shortlist_server.pipeline.query import Filters as Rules
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.types import Allowed, Batch

Ask = Callable[[Any], Any]


def allowed(package: Package, filters: Filters) -> list[int]:
    rules = decode_filters(filters, Defaults.of(package), Violations())
    mask_N = allowed_by_rules(rules, package.catalog)
    return list(range(package.catalog.num_items)) if mask_N is None else np.flatnonzero(mask_N).tolist()


def ids_of(reply: Any) -> set[str]:
    return {item.item_id for item in reply.items}


def test_unavailable_items_are_left_out_unless_asked_for(package: Package) -> None:
    assert allowed(package, Filters()) == np.flatnonzero(package.catalog.available).tolist()
    assert len(allowed(package, Filters(availability=AVAILABILITY_ANY))) == 60


def test_denial_wins_over_allowance_and_unknown_ids_match_nothing(package: Package) -> None:
    filters = Filters(allow_item_ids=["item-001", "item-002", "nope"], deny_item_ids=["item-002", "other"])
    assert allowed(package, filters) == [1]
    assert allowed(package, Filters(allow_item_ids=["nope"])) == []


@pytest.mark.parametrize(
    ("filters", "keeps"),
    [
        (Filters(categories_any=["c1", "c2"]), lambda row: row % 10 and row % 4 in (1, 2)),
        (Filters(categories_all=["all", "c3"]), lambda row: row % 10 and row % 4 == 3),
        (Filters(categories_none=["all"]), lambda row: row % 10 == 0),
        (Filters(categories_any=["nobody"]), lambda row: False),
        (Filters(ranges=[NumericRange(attribute="margin", minimum=5)]), lambda row: row % 7 >= 5),
        (
            Filters(ranges=[NumericRange(attribute="price", minimum=2, maximum=3)]),
            lambda row: row % 17 != 3 and 2 <= 1 + row / 4 <= 3,
        ),
    ],
)
def test_rules_keep_what_they_say(package: Package, filters: Filters, keeps: Callable[[int], bool]) -> None:
    filters.availability = AVAILABILITY_ANY
    assert allowed(package, filters) == [row for row in range(60) if keeps(row)]


def filtered(package: Package, masks: RuleMasks, *requests: Request) -> Allowed:
    decoded = decode(requests, Defaults.of(package), 0)
    batch = Batch(tuple(one for one in decoded if isinstance(one, Query)), (UNLIMITED,) * len(requests))
    profiles = profile(batch, store=None, catalog=package.catalog, max_history=10)
    return filter_items(batch, profiles, masks=masks)


def test_requests_with_equal_rules_share_a_mask_and_differ_in_what_they_have_seen(package: Package) -> None:
    masks = RuleMasks(package.catalog)
    cheap = Filters(ranges=[NumericRange(attribute="price", maximum=3)])
    histories = [History(item_ids=item_ids) for item_ids in (["item-002", "item-001"], [], ["item-003"])]
    requests = [RecommendRequest(user_id="ann", filters=cheap, history=history) for history in histories]
    allowed = filtered(package, masks, *requests, RecommendRequest(user_id="ann"))
    assert allowed.mask_B.tolist() == [0, 0, 0, 1]
    assert [rows.tolist() for rows in allowed.excluded_rows] == [[1, 2], [], [3], []]
    assert filtered(package, masks, requests[0]).masks[0] is allowed.masks[0]


def test_the_candidates_of_rank_are_a_rule_of_their_own_and_nothing_seen_is_left_out(package: Package) -> None:
    masks, history = RuleMasks(package.catalog), History(item_ids=["item-002"])
    requests = [RankRequest(history=history, item_ids=["item-002", "nope", "item-005"])] * 2
    allowed = filtered(package, masks, *requests)
    assert allowed.mask_B.tolist() == [0, 1]
    assert [np.flatnonzero(mask_N).tolist() for mask_N in allowed.masks if mask_N is not None] == [[2, 5], [2, 5]]
    assert [rows.tolist() for rows in allowed.excluded_rows] == [[], []]
    assert masks.num_bytes == 0


def test_rules_that_allow_everything_need_no_mask(package: Package) -> None:
    assert RuleMasks(package.catalog).of(Rules(only_available=False)) is None
    assert RuleMasks(package.catalog).of(Rules(only_available=False, deny_ids=("nope",))) is None


def test_no_more_masks_are_remembered_than_their_bytes_allow(package: Package) -> None:
    masks = RuleMasks(package.catalog, max_bytes=5_000)
    rules = [Rules(deny_ids=(f"item-{row:03d}",)) for row in range(20)]
    kept = masks.of(rules[0])
    for one in rules[1:]:
        masks.of(one)
        assert masks.of(rules[0]) is kept  # what is asked for again and again stays
        assert 0 < masks.num_bytes <= 5_000
    first = masks.of(rules[1])
    assert first is not None
    assert np.flatnonzero(~first & package.catalog.available).tolist() == [1]
    many = Rules(deny_ids=tuple(f"item-{row:03d}" for row in range(60)))
    assert masks.of(many) is not masks.of(many)  # too large to be remembered at all
    assert masks.of(rules[0]) is kept


def test_seen_policies(ask: Ask) -> None:
    history = History(
        item_ids=["item-001", "item-002", "item-003"],
        types=[EVENT_TYPE_PURCHASE, EVENT_TYPE_VIEW, EVENT_TYPE_DISLIKE],
    )
    seen = {"item-001", "item-002", "item-003"}

    def returned(**rules: Any) -> set[str]:
        return seen & ids_of(ask(RecommendRequest(history=history, k=1000, filters=Filters(**rules))))

    assert returned() == set()
    assert returned(seen_policy=SEEN_POLICY_EXCLUDE_PURCHASED) == {"item-002"}
    assert returned(seen_policy=SEEN_POLICY_INCLUDE) == seen


@settings(max_examples=40, deadline=None)
@given(
    allow=st.sets(st.integers(0, 59)),
    deny=st.sets(st.integers(0, 59), max_size=30),
    history=st.lists(st.integers(0, 59), max_size=12),
    source=st.sampled_from(["two_tower", "item_neighbours", "popular", None]),
    k=st.integers(1, 70),
)
def test_k_items_come_back_whenever_k_are_allowed(
    allow: set[int], deny: set[int], history: list[int], source: str | None, k: int, ask: Ask, package: Package
) -> None:
    request = RecommendRequest(
        user_id="ann",
        k=k,
        history=History(item_ids=[f"item-{row:03d}" for row in history]),
        filters=Filters(
            allow_item_ids=[f"item-{row:03d}" for row in allow], deny_item_ids=[f"item-{row:03d}" for row in deny]
        ),
        sources=[SourceWeight(name=source)] if source else [],
    )
    catalog: Catalog = package.catalog
    possible = {f"item-{row:03d}" for row in (allow or set(range(60))) - deny - set(history) if catalog.available[row]}
    found = [item.item_id for item in ask(request).items]
    assert len(found) == len(set(found)) == min(k, len(possible))
    assert set(found) <= possible
