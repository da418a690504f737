"""RecommendationService over a real port: every RPC, bad input, company, events that count at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

import shortlist
from shortlist.package.arrays import Sparse
from shortlist.v1.filter_pb2 import Boost, Filters, NumericRange
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import (
    AttributeCap,
    Diversity,
    ExplainRequest,
    RankRequest,
    RecommendBatchRequest,
    RecommendRequest,
    RecommendResponse,
    RecommendStreamRequest,
    SimilarItemsRequest,
    SourceWeight,
)
from shortlist.v1.recommendation_pb2_grpc import RecommendationServiceStub
from shortlist_server.catalog.package import Package, open_package

Details = Callable[[grpc.RpcError], dict[str, Any]]
HISTORY = History(item_ids=["item-004", "item-017", "item-033"])

BAD: list[tuple[str, Any, str, str]] = [
    ("Recommend", RecommendRequest(user_id="ann", k=0), "k", "0 is not in 1..1000"),
    ("Recommend", RecommendRequest(user_id="ann", k=1001), "k", "1001 is not"),
    ("Recommend", RecommendRequest(), "user_id", "no history"),
    ("Recommend", RecommendRequest(user_id="x" * 129), "user_id", "129 bytes"),
    ("Recommend", RecommendRequest(user_id="ann", explanation_level=42), "explanation_level", "42"),  # type: ignore[arg-type]
    ("Recommend", RecommendRequest(user_id="ann", filters=Filters(availability=9)), "filters.availability", "9"),  # type: ignore[arg-type]
    (
        "Recommend",
        RecommendRequest(user_id="ann", diversity=Diversity(strength=float("nan"))),
        "diversity.strength",
        "nan",
    ),
    (
        "Recommend",
        RecommendRequest(user_id="ann", caps=[AttributeCap(attribute="colour", max_items=1)]),
        "caps[0].attribute",
        "'colour' is not one of category, margin, popularity, price",
    ),
    ("Recommend", RecommendRequest(user_id="ann", sources=[SourceWeight(name="nope")]), "sources[0].name", "'nope'"),
    (
        "Recommend",
        RecommendRequest(user_id="ann", filters=Filters(ranges=[NumericRange(attribute="nope")])),
        "filters.ranges[0].attribute",
        "'nope'",
    ),
    ("Recommend", RecommendRequest(history=History(item_ids=[""])), "history.item_ids[0]", "''"),
    ("RecommendBatch", RecommendBatchRequest(), "requests", "0 entries"),
    ("RecommendBatch", RecommendBatchRequest(requests=[RecommendRequest()] * 257), "requests", "257 entries"),
    ("Rank", RankRequest(user_id="ann"), "item_ids", "0 entries"),
    ("Rank", RankRequest(item_ids=["item-001"]), "user_id", "no history"),
    ("SimilarItems", SimilarItemsRequest(), "item_id", "''"),
    ("SimilarItems", SimilarItemsRequest(item_id="nope"), "item_id", "'nope' is not an item"),
    ("SimilarItems", SimilarItemsRequest(item_id="item-001", k=0), "k", "0 is not"),
    ("SimilarItems", SimilarItemsRequest(item_id="item-001", source="popular"), "source", "'popular'"),
]


@pytest.fixture(scope="module")
def package(package_dir: Any) -> Package:
    return open_package(package_dir)


@pytest.mark.parametrize(
    ("method", "request_", "field", "value"), BAD, ids=[f"{row[0]}-{row[2]}-{row[3]}" for row in BAD]
)
def test_bad_input_names_the_field_and_the_value(
    method: str, request_: Any, field: str, value: str, recommendation: RecommendationServiceStub, details: Details
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        getattr(recommendation, method)(request_)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    found = details(refused.value)
    assert found["ErrorInfo"].reason == "INVALID_REQUEST"
    assert found["ErrorInfo"].domain == "shortlist"
    violations = {one.field: one.description for one in found["BadRequest"].field_violations}
    assert value in violations[field]


def test_the_same_request_gets_the_same_bytes_a_thousand_times_and_64_at_once(
    recommendation: RecommendationServiceStub,
) -> None:
    requests = [
        RecommendRequest(
            history=History(item_ids=[f"item-{(row * 7 + step) % 60:03d}" for step in range(1 + row % 11)])
        )
        for row in range(64)
    ]

    def items(request: RecommendRequest) -> bytes:
        reply = recommendation.Recommend(request)
        assert not reply.degraded
        return b"".join(item.SerializeToString(deterministic=True) for item in reply.items)

    alone = [items(request) for request in requests]
    assert {items(requests[5]) for _ in range(1000)} == {alone[5]}
    with ThreadPoolExecutor(64) as callers:
        for _ in range(5):
            assert list(callers.map(items, requests)) == alone


def test_a_batch_answers_each_request_as_if_it_were_alone(recommendation: RecommendationServiceStub) -> None:
    good = RecommendRequest(history=HISTORY, k=3)
    batch = RecommendBatchRequest(requests=[good, RecommendRequest(k=0), RecommendRequest(user_id="nobody", k=2)])
    first, second, third = recommendation.RecommendBatch(batch).results
    assert [item.item_id for item in first.response.items] == [
        item.item_id for item in recommendation.Recommend(good).items
    ]
    assert second.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert {one.field for one in second.error.violations} == {"user_id", "k"}
    assert len(third.response.items) == 2


def test_recorded_events_change_the_next_recommendation(client: shortlist.Client, neighbours: Sparse) -> None:
    row = int(np.argmax(np.diff(neighbours.indptr)))
    item_id = f"item-{row:03d}"
    similar = [f"item-{other:03d}" for other in neighbours.indices[neighbours.indptr[row] :][:8]]

    def ranks() -> dict[str, int]:
        reply = client.recommend(user_id="changing", k=60)
        return {item.item_id: place for place, item in enumerate(reply.items)}

    client.record_events([shortlist.Event(user_id="changing", item_id="item-059", type="view", timestamp=1)])
    before = ranks()
    assert item_id in before
    client.record_events([shortlist.Event(user_id="changing", item_id=item_id, type="purchase", timestamp=2)])
    after = ranks()
    assert item_id not in after
    shared = [other for other in similar if other in before and other in after]
    assert np.mean([after[other] for other in shared]) < np.mean([before[other] for other in shared])


def test_an_unknown_user_is_no_error_and_gets_popular_items(client: shortlist.Client) -> None:
    reply = client.recommend(user_id="never seen", k=5, explain="brief")
    assert len(reply.items) == 5
    assert all(isinstance(item.reasons[0], shortlist.ColdStart) for item in reply.items)
    assert {(one.source, one.reason) for one in reply.degraded} == {
        ("two_tower", "cold_start"),
        ("item_neighbours", "cold_start"),
        ("ranker", "cold_start"),
    }


def test_every_item_comes_with_title_and_reasons(client: shortlist.Client) -> None:
    reply = client.recommend(history=["item-004", "item-017"], k=10, explain="brief")
    assert len(reply.items) == 10
    assert all(item.title == f"Title of {item.item_id}" and item.reasons for item in reply.items)
    assert reply.package.name == "small-world"
    assert set(reply.timings_ms) >= {"queue", "decode", "retrieve", "score", "encode"}


def test_an_answer_is_varied_and_capped_as_the_client_asks(client: shortlist.Client, package: Package) -> None:
    reply = client.recommend(
        history=["item-004", "item-017"],
        k=6,
        diversity=shortlist.Diversity(0.5, method="dpp"),
        caps={"category": 2, "margin": 1},
        fusion="borda",
    )
    rows = package.catalog.rows([item.item_id for item in reply.items])
    margins = package.catalog.numeric("margin")[rows]
    assert len(rows) >= 2
    assert package.catalog.category_mask("all")[rows].sum() <= 2
    assert len(set(margins.tolist())) == len(margins)
    assert reply.relevance_lost > 0.0


def test_rank_orders_the_callers_candidates_and_reports_unknown_ones(client: shortlist.Client) -> None:
    reply = client.rank(history=["item-004"], item_ids=["item-009", "nope", "item-010"])
    assert {item.item_id for item in reply.items} == {"item-009", "item-010"}
    assert [error.item_id for error in reply.item_errors] == ["nope"]


def test_similar_items_are_the_neighbours_without_the_item(
    client: shortlist.Client, package: Package, neighbours: Sparse
) -> None:
    reply = client.similar_items("item-003", k=4, source="item_neighbours")
    entries = slice(neighbours.indptr[3], neighbours.indptr[4])
    expected = [row for row in neighbours.indices[entries] if package.catalog.available[row]][:4]
    assert [item.item_id for item in reply.items] == [f"item-{row:03d}" for row in expected]


def test_similar_items_by_vectors_are_compared_by_cosine(client: shortlist.Client, package: Package) -> None:
    vectors = package.spaces["two_tower"].vectors(np.arange(60))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit[3]
    cosines[3] = -np.inf
    reply = client.similar_items("item-003", k=5, source="two_tower", filters=shortlist.Filters(availability="any"))
    best = np.argsort(-cosines)[:5]
    assert [item.item_id for item in reply.items] == [f"item-{row:03d}" for row in best]
    assert [item.score for item in reply.items] == pytest.approx(cosines[best].tolist(), abs=1e-6)


def test_a_deadline_in_the_past_is_refused(recommendation: RecommendationServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        recommendation.Recommend(RecommendRequest(user_id="ann"), timeout=1e-6)
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_what_is_not_built_says_so(recommendation: RecommendationServiceStub, details: Details) -> None:
    with pytest.raises(grpc.RpcError, match="Explain is not served yet") as refused:
        recommendation.Explain(ExplainRequest())
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert details(refused.value)["ErrorInfo"].reason == "NOT_SERVED"
    with pytest.raises(grpc.RpcError, match="RecommendStream is not served yet") as refused:
        list(recommendation.RecommendStream(iter([RecommendStreamRequest()])))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError, match="boosts") as refused:
        recommendation.Recommend(RecommendRequest(user_id="ann", boosts=[Boost(item_id="item-001", amount=1)]))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_long_list_of_violations_still_reaches_the_caller(
    recommendation: RecommendationServiceStub, details: Details
) -> None:
    history = History(item_ids=["\N{SNOWMAN}" * 100] * 2000)
    with pytest.raises(grpc.RpcError) as refused:
        recommendation.Recommend(RecommendRequest(history=history))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(details(refused.value)["BadRequest"].field_violations) > 5


def test_the_largest_request_and_reply_fit(recommendation: RecommendationServiceStub) -> None:
    items = [f"item-{row % 60:03d}" for row in range(10_000)]
    reply = recommendation.Recommend(RecommendRequest(history=History(item_ids=items), k=1000))
    assert isinstance(reply, RecommendResponse)
    assert len(reply.items) == 0  # everything was seen
