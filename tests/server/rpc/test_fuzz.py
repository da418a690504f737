"""Whatever bytes come in, the answer is a reply or a code that blames the caller, never UNKNOWN or INTERNAL."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.v1.answer_pb2 import EXPLANATION_LEVEL_FULL
from shortlist.v1.event_pb2 import Event, RecordEventsRequest
from shortlist.v1.filter_pb2 import Filters, NumericRange
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import (
    AttributeCap,
    Context,
    Diversity,
    Fusion,
    HeadWeight,
    RankRequest,
    RecommendRequest,
    SimilarItemsRequest,
    SourceWeight,
)
from shortlist.v1.search_pb2 import SearchRequest
from shortlist.v1.tensor_pb2 import Tensor

METHODS = [
    "RecommendationService/Recommend",
    "RecommendationService/RecommendBatch",
    "RecommendationService/Rank",
    "RecommendationService/SimilarItems",
    "RecommendationService/Explain",
    "SearchService/Search",
    "EventService/RecordEvents",
    "EventService/DeleteUser",
    "CatalogService/UpsertItems",
    "PackageService/GetStatus",
]
BLAMELESS = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED}

names = st.sampled_from(["two_tower", "item_neighbours", "popular"] * 12 + ["", "nope"])
head_names = st.sampled_from(["click", "purchase"] * 12 + ["nope"])
attributes = st.sampled_from(["price", "margin"] * 12 + ["nope"])
known_ids = st.integers(0, 70).map(lambda row: f"item-{row:03d}")
item_ids = st.one_of(*[known_ids] * 12, st.text(max_size=5))
# Mostly right, so that requests get past the checks, and now and then wrong.
numbers = st.one_of(*[st.floats(0, 1, width=32)] * 30, st.floats(width=32))
enums = st.sampled_from([0, 1, 2] * 20 + [9, -1])
event_types = st.sampled_from([1, 4, 6] * 12 + [0, 99])
counts = st.one_of(*[st.integers(1, 60)] * 30, st.integers(-(2**31), 2**31 - 1))
histories = st.builds(
    History,
    item_ids=st.lists(known_ids, min_size=2, max_size=12),
    timestamps=st.one_of(*[st.just([])] * 8, st.lists(st.integers(-1, 2**40), min_size=2, max_size=2)),
    types=st.one_of(*[st.just([])] * 8, st.lists(enums, max_size=3)),
)
filters = st.builds(
    Filters,
    allow_item_ids=st.lists(item_ids, max_size=3),
    deny_item_ids=st.lists(item_ids, max_size=3),
    categories_any=st.lists(st.sampled_from(["c1", "all", "nope"]), max_size=2),
    ranges=st.lists(st.builds(NumericRange, attribute=attributes, minimum=numbers), max_size=2),
    availability=enums,
    seen_policy=enums,
)
diversities = st.builds(Diversity, method=enums, strength=numbers)
heads = st.lists(st.builds(HeadWeight, name=head_names, weight=numbers), max_size=2, unique_by=lambda head: head.name)
requests: dict[str, st.SearchStrategy[Any]] = {
    "RecommendationService/Recommend": st.builds(
        RecommendRequest,
        user_id=st.text(min_size=1, max_size=3),
        history=histories,
        k=counts,
        context=st.builds(Context, timestamp=counts),
        filters=filters,
        sources=st.lists(
            st.builds(SourceWeight, name=names, weight=numbers), max_size=3, unique_by=lambda source: source.name
        ),
        fusion=st.builds(Fusion, method=enums, normalisation=enums),
        head_weights=heads,
        num_candidates=counts,
        diversity=diversities,
        caps=st.lists(st.builds(AttributeCap, attribute=attributes, max_items=counts), max_size=3),
        explanation_level=enums,
    ),
    "RecommendationService/Rank": st.builds(
        RankRequest,
        user_id=st.text(min_size=1, max_size=3),
        history=histories,
        item_ids=st.lists(item_ids, max_size=30),
        head_weights=heads,
        diversity=diversities,
        explanation_level=enums,
    ),
    "RecommendationService/SimilarItems": st.builds(
        SimilarItemsRequest,
        item_id=item_ids,
        k=counts,
        filters=filters,
        source=st.sampled_from(["", "two_tower", "popular"]),
    ),
    "SearchService/Search": st.builds(
        SearchRequest,
        space=st.sampled_from(["two_tower", "items", ""] * 6 + ["nope"]),
        queries=st.one_of(
            st.builds(
                Tensor, data_type=enums, shape=st.lists(st.integers(-1, 9), max_size=3), data=st.binary(max_size=64)
            ),
            st.builds(Tensor, data_type=st.just(1), shape=st.just([2, 8]), data=st.binary(min_size=64, max_size=64)),
        ),
        k=counts,
        allow_item_ids=st.lists(item_ids, max_size=3),
    ),
    "EventService/RecordEvents": st.builds(
        RecordEventsRequest,
        events=st.lists(
            st.builds(
                Event,
                user_id=st.text(min_size=1, max_size=3),
                item_id=item_ids,
                type=enums,
                timestamp=counts,
                value=numbers,
            ),
            max_size=4,
        ),
    ),
}


def code_of(channel: grpc.Channel, method: str, content: bytes) -> grpc.StatusCode:
    try:
        call: Any = channel.unary_unary(f"/shortlist.v1.{method}")
        call(content, timeout=30)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_random_bytes_are_the_callers_fault(method: str, content: bytes, channel: grpc.Channel) -> None:
    assert code_of(channel, method, content) in BLAMELESS


@pytest.mark.parametrize("method", sorted(requests))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_messages_are_answered_or_refused(method: str, data: st.DataObject, channel: grpc.Channel) -> None:
    content = data.draw(requests[method]).SerializeToString()
    assert code_of(channel, method, content) in BLAMELESS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_flipped_byte_is_answered_or_refused(position: int, byte: int, channel: grpc.Channel) -> None:
    request = RecommendRequest(
        user_id="ann",
        history=History(item_ids=["item-001", "item-002"], timestamps=[5, 9]),
        k=5,
        explanation_level=EXPLANATION_LEVEL_FULL,
    )
    request.filters.deny_item_ids.append("item-004")
    request.diversity.strength = 0.5
    content = bytearray(request.SerializeToString())
    content[position % len(content)] = byte
    assert code_of(channel, "RecommendationService/Recommend", bytes(content)) in BLAMELESS
