"""The sync client against a real server: what is sent and what comes back."""

from collections.abc import Iterator

import numpy as np
import pytest

import shortlist
from shortlist.v1 import answer_pb2, event_pb2, filter_pb2, history_pb2, recommendation_pb2, search_pb2, tensor_pb2
from tests.protos.scripted_server import Script

EVERY_OPTION = shortlist.RecommendOptions(
    user_id="u",
    history=[shortlist.HistoryItem("a", 1310000000, "purchase", 2.5), shortlist.HistoryItem("b", 1310000001)],
    k=0,
    timestamp=0,
    context={"temperature": 21.5, "country": "GB"},
    filters=shortlist.Filters(
        allow=["a", "b"],
        deny=["c"],
        categories_any=["x"],
        categories_all=["y"],
        categories_none=["z"],
        ranges={"price": (None, 5), "weight": (1, 2)},
        availability="any",
        seen="include",
    ),
    boosts=[
        shortlist.Boost(item_id="a", amount=1),
        shortlist.Boost(category="x", amount=-2),
        shortlist.Boost(attribute="price", minimum=1, amount=3),
    ],
    sources={"two_tower": 0.5, "popular": 0},
    fusion="rrf",
    normalisation="zscore",
    head_weights={"purchase": 2},
    num_candidates=300,
    diversity=shortlist.Diversity(0.25, "dpp"),
    calibration=0.5,
    freshness=shortlist.Freshness(attribute="first_seen", weight=0.125, half_life_days=7),
    caps={"category": 3},
    exposure=[shortlist.Exposure(category="x", min_share=0)],
    explain="full",
    experiments={"ranker": "b"},
)

EVERY_FIELD = recommendation_pb2.RecommendRequest(
    user_id="u",
    history=history_pb2.History(
        item_ids=["a", "b"],
        timestamps=[1310000000, 1310000001],
        types=[history_pb2.EVENT_TYPE_PURCHASE, history_pb2.EVENT_TYPE_VIEW],
        values=[2.5, 0],
    ),
    k=0,
    context=recommendation_pb2.Context(
        timestamp=0,
        features=[
            recommendation_pb2.ContextFeature(name="temperature", number=21.5),
            recommendation_pb2.ContextFeature(name="country", text="GB"),
        ],
    ),
    filters=filter_pb2.Filters(
        allow_item_ids=["a", "b"],
        deny_item_ids=["c"],
        categories_any=["x"],
        categories_all=["y"],
        categories_none=["z"],
        ranges=[
            filter_pb2.NumericRange(attribute="price", maximum=5),
            filter_pb2.NumericRange(attribute="weight", minimum=1, maximum=2),
        ],
        availability=filter_pb2.AVAILABILITY_ANY,
        seen_policy=filter_pb2.SEEN_POLICY_INCLUDE,
    ),
    boosts=[
        filter_pb2.Boost(item_id="a", amount=1),
        filter_pb2.Boost(category="x", amount=-2),
        filter_pb2.Boost(range=filter_pb2.NumericRange(attribute="price", minimum=1), amount=3),
    ],
    sources=[
        recommendation_pb2.SourceWeight(name="two_tower", weight=0.5),
        recommendation_pb2.SourceWeight(name="popular", weight=0),
    ],
    fusion=recommendation_pb2.Fusion(
        method=recommendation_pb2.FUSION_METHOD_RECIPROCAL_RANK, normalisation=recommendation_pb2.NORMALISATION_Z_SCORE
    ),
    head_weights=[recommendation_pb2.HeadWeight(name="purchase", weight=2)],
    num_candidates=300,
    diversity=recommendation_pb2.Diversity(method=recommendation_pb2.DIVERSITY_METHOD_DPP, strength=0.25),
    calibration=recommendation_pb2.Calibration(strength=0.5),
    freshness=recommendation_pb2.Freshness(attribute="first_seen", half_life_days=7, weight=0.125),
    caps=[recommendation_pb2.AttributeCap(attribute="category", max_items=3)],
    exposure_constraints=[recommendation_pb2.ExposureConstraint(category="x", min_share=0)],
    explanation_level=answer_pb2.EXPLANATION_LEVEL_FULL,
    experiment_overrides=[answer_pb2.ExperimentArm(experiment="ranker", arm="b")],
)


@pytest.fixture
def client(script: Script) -> Iterator[shortlist.Client]:
    with shortlist.Client(script.target, timeout_s=20) as client:
        yield client


def test_recommend_sends_only_what_was_given(script: Script, client: shortlist.Client) -> None:
    script.answers.append(recommendation_pb2.RecommendResponse())
    client.recommend(user_id="12347")
    assert script.requests == [
        recommendation_pb2.RecommendRequest(user_id="12347", explanation_level=answer_pb2.EXPLANATION_LEVEL_BRIEF)
    ]


def test_recommend_sends_every_option(script: Script, client: shortlist.Client) -> None:
    script.answers.append(recommendation_pb2.RecommendResponse())
    assert set(EVERY_OPTION) == set(shortlist.RecommendOptions.__annotations__)
    client.recommend(**EVERY_OPTION)
    assert script.requests == [EVERY_FIELD]


def test_recommend_takes_short_forms(script: Script, client: shortlist.Client) -> None:
    script.answers.append(recommendation_pb2.RecommendResponse())
    client.recommend(history=["a", "b"], sources=["popular"], diversity=0.5, explain="none")
    pb = recommendation_pb2
    assert script.requests == [
        pb.RecommendRequest(
            history=history_pb2.History(item_ids=["a", "b"]),
            sources=[pb.SourceWeight(name="popular")],
            diversity=pb.Diversity(method=pb.DIVERSITY_METHOD_MMR, strength=0.5),
            explanation_level=answer_pb2.EXPLANATION_LEVEL_NONE,
        )
    ]


def full_response() -> recommendation_pb2.RecommendResponse:
    reasons = [
        answer_pb2.Reason(
            because_of=answer_pb2.BecauseOf(
                source="item_neighbours",
                contributions=[answer_pb2.Contribution(item_id="h", title="Lantern", contribution=0.5)],
            )
        ),
        answer_pb2.Reason(found_by=answer_pb2.FoundBy(source="two_tower", rank=3, score=1.5)),
        answer_pb2.Reason(cold_start=answer_pb2.ColdStart(source="popular", rank=1, score=9)),
        answer_pb2.Reason(
            score_parts=answer_pb2.ScoreParts(
                fused=0.25,
                ranker=0.5,
                heads=[answer_pb2.HeadScore(name="purchase", probability=0.5, weight=1)],
                boost=2,
                diversity_penalty=0.125,
            )
        ),
    ]
    return recommendation_pb2.RecommendResponse(
        items=[
            answer_pb2.RankedItem(item_id="a", score=0.75, title="Mug", reasons=reasons),
            answer_pb2.RankedItem(item_id="b", score=0.5),
        ],
        package=answer_pb2.PackageVersion(name="shop", id="shop-1"),
        timings=[
            answer_pb2.StageTiming(stage=answer_pb2.STAGE_DECODE, duration_us=15),
            answer_pb2.StageTiming(stage=answer_pb2.STAGE_RETRIEVE, duration_us=1500),
        ],
        degraded=[
            answer_pb2.Degradation(
                stage=answer_pb2.STAGE_RETRIEVE,
                source="two_tower",
                reason=answer_pb2.DEGRADATION_REASON_COLD_START,
                detail="the history is empty",
            )
        ],
        experiments=[answer_pb2.ExperimentArm(experiment="ranker", arm="b")],
        relevance_lost=0.25,
    )


def test_recommend_returns_the_whole_reply(script: Script, client: shortlist.Client) -> None:
    script.answers.append(full_response())
    reply = client.recommend(user_id="u")
    assert reply == shortlist.Reply(
        items=(
            shortlist.RankedItem(
                "a",
                0.75,
                "Mug",
                (
                    shortlist.BecauseOf("item_neighbours", (shortlist.Contribution("h", "Lantern", 0.5),)),
                    shortlist.FoundBy("two_tower", 3, 1.5),
                    shortlist.ColdStart("popular", 1, 9),
                    shortlist.ScoreParts(0.25, 0.5, (shortlist.HeadScore("purchase", 0.5, 1),), 2, 0.125),
                ),
            ),
            shortlist.RankedItem("b", 0.5, "", ()),
        ),
        package=shortlist.PackageVersion("shop", "shop-1"),
        timings_ms={"decode": 0.015, "retrieve": 1.5},
        degraded=(shortlist.Degradation("retrieve", "two_tower", "cold_start", "the history is empty"),),
        experiments={"ranker": "b"},
        relevance_lost=0.25,
    )
    assert [str(reason) for reason in reply.items[0].reasons] == [
        "because of Lantern",
        "two_tower #3",
        "popular #1, for a new user",
        "fused 0.25, ranker 0.5, boost 2",
    ]
    assert str(reply.degraded[0]) == "retrieve two_tower: the history is empty"


def test_a_reply_of_a_newer_server_is_read_as_far_as_known(script: Script, client: shortlist.Client) -> None:
    # field 15 of Reason, an empty message: a kind of reason that this client does not know
    unknown_reason = answer_pb2.Reason.FromString(bytes([15 << 3 | 2, 0]))
    script.answers.append(
        recommendation_pb2.RecommendResponse(
            items=[answer_pb2.RankedItem(item_id="a", reasons=[unknown_reason])],
            timings=[answer_pb2.StageTiming.FromString(bytes([8, 99, 16, 100]))],
        )
    )
    reply = client.recommend(user_id="u")
    assert reply.items[0].reasons == ()
    assert reply.timings_ms == {"99": 0.1}


def test_recommend_batch_keeps_order_and_puts_errors_in_their_place(script: Script, client: shortlist.Client) -> None:
    error = answer_pb2.RequestError(
        code=3,
        message="bad request",
        violations=[answer_pb2.FieldViolation(field="k", description="0 is not in 1..1000")],
    )
    script.answers.append(
        recommendation_pb2.RecommendBatchResponse(
            results=[
                recommendation_pb2.RecommendResult(response=full_response()),
                recommendation_pb2.RecommendResult(error=error),
                recommendation_pb2.RecommendResult(
                    error=answer_pb2.RequestError(code=8, message="busy", retry_after_ms=50)
                ),
            ]
        )
    )
    first, second, third = client.recommend_batch([{"user_id": "1"}, {"user_id": "2", "k": 0}, {"user_id": "3"}])
    assert isinstance(first, shortlist.Reply)
    assert [item.item_id for item in first.items] == ["a", "b"]
    assert isinstance(second, shortlist.InvalidRequestError)
    assert str(second) == "INVALID_ARGUMENT: k: 0 is not in 1..1000"
    assert isinstance(third, shortlist.OverloadedError)
    assert third.retry_after_s == 0.05
    (request,) = script.requests
    assert isinstance(request, recommendation_pb2.RecommendBatchRequest)
    assert [single.user_id for single in request.requests] == ["1", "2", "3"]
    assert request.requests[1].HasField("k")


def test_rank_returns_items_and_item_errors(script: Script, client: shortlist.Client) -> None:
    script.answers.append(
        recommendation_pb2.RankResponse(
            items=[answer_pb2.RankedItem(item_id="71053", score=0.5, title="Lantern")],
            item_errors=[answer_pb2.ItemError(item_id="x", reason=answer_pb2.ITEM_ERROR_REASON_UNKNOWN)],
        )
    )
    reply = client.rank(user_id="12347", item_ids=["x", "71053"], diversity=0.0)
    assert [item.item_id for item in reply.items] == ["71053"]
    assert reply.item_errors == (shortlist.ItemError("x", "unknown"),)
    assert script.requests == [
        recommendation_pb2.RankRequest(
            user_id="12347",
            item_ids=["x", "71053"],
            diversity=recommendation_pb2.Diversity(method=recommendation_pb2.DIVERSITY_METHOD_MMR),
            explanation_level=answer_pb2.EXPLANATION_LEVEL_BRIEF,
        )
    ]


def test_similar_items_sends_item_and_filters(script: Script, client: shortlist.Client) -> None:
    script.answers.append(
        recommendation_pb2.SimilarItemsResponse(items=[answer_pb2.RankedItem(item_id="b", score=0.5)])
    )
    reply = client.similar_items("85123A", k=10, filters=shortlist.Filters(deny=["c"]), source="two_tower")
    assert [item.item_id for item in reply.items] == ["b"]
    (request,) = script.requests
    assert request == recommendation_pb2.SimilarItemsRequest(
        item_id="85123A",
        k=10,
        filters=filter_pb2.Filters(
            deny_item_ids=["c"],
            availability=filter_pb2.AVAILABILITY_AVAILABLE,
            seen_policy=filter_pb2.SEEN_POLICY_EXCLUDE,
        ),
        source="two_tower",
    )


def test_search_takes_and_returns_numpy(script: Script, client: shortlist.Client) -> None:
    tensor = tensor_pb2.Tensor
    script.answers.append(
        search_pb2.SearchResponse(
            scores=tensor(
                data_type=tensor_pb2.DATA_TYPE_FLOAT32,
                shape=[2, 2],
                data=np.array([2, 1, 3, -np.inf], dtype="<f4").tobytes(),
            ),
            rows=tensor(
                data_type=tensor_pb2.DATA_TYPE_INT64, shape=[2, 2], data=np.array([4, 1, 0, -1], dtype="<i8").tobytes()
            ),
            item_ids=["e", "b", "ä", ""],
        )
    )
    vectors_QD = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    scores_QK, ids_QK = client.search(vectors_QD, k=2, space="items", allow=["a"], exclude=["b"])
    assert scores_QK.dtype == np.float32
    np.testing.assert_array_equal(scores_QK, [[2, 1], [3, -np.inf]])
    assert ids_QK.tolist() == [["e", "b"], ["ä", ""]]
    scores_QK[1, 1] = 0  # the caller's own
    assert scores_QK[1, 1] == 0
    (request,) = script.requests
    assert isinstance(request, search_pb2.SearchRequest)
    assert (request.space, request.k, list(request.allow_item_ids), list(request.exclude_item_ids)) == (
        "items", 2, ["a"], ["b"],
    )  # fmt: skip
    assert (request.queries.data_type, list(request.queries.shape)) == (tensor_pb2.DATA_TYPE_FLOAT32, [2, 3])
    assert request.queries.data == vectors_QD.astype("<f4").tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", "int32", "uint8"])
def test_search_sends_any_number_type_as_float32(script: Script, client: shortlist.Client, dtype: str) -> None:
    script.answers.append(
        search_pb2.SearchResponse(scores=tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[1, 0]))
    )
    client.search(np.array([1, 2, 3], dtype=dtype)[::-1], k=1)
    (request,) = script.requests
    assert isinstance(request, search_pb2.SearchRequest)
    assert list(request.queries.shape) == [1, 3]
    assert np.frombuffer(request.queries.data, "<f4").tolist() == [3, 2, 1]


def test_record_events_sends_events_and_counts_new_ones(script: Script, client: shortlist.Client) -> None:
    script.answers.append(event_pb2.RecordEventsResponse(num_recorded=1, num_duplicates=1))
    events = [
        shortlist.Event(user_id="12347", item_id="85123A", type="purchase", timestamp=1320000000, value=6),
        shortlist.Event(user_id="12347", item_id="71053", type="dislike", timestamp=0),
    ]
    assert client.record_events(events) == 1
    assert script.requests == [
        event_pb2.RecordEventsRequest(
            events=[
                event_pb2.Event(
                    user_id="12347",
                    item_id="85123A",
                    type=history_pb2.EVENT_TYPE_PURCHASE,
                    timestamp=1320000000,
                    value=6,
                ),
                event_pb2.Event(user_id="12347", item_id="71053", type=history_pb2.EVENT_TYPE_DISLIKE, timestamp=0),
            ]
        )
    ]


def test_record_events_splits_into_messages_of_10_000(script: Script, client: shortlist.Client) -> None:
    script.answers.extend(event_pb2.RecordEventsResponse(num_recorded=count) for count in (10_000, 10_000, 1))
    events = (shortlist.Event(user_id="u", item_id="i", type="view", timestamp=second) for second in range(20_001))
    assert client.record_events(events) == 20_001
    sent = [request.events for request in script.requests if isinstance(request, event_pb2.RecordEventsRequest)]
    assert [len(events) for events in sent] == [10_000, 10_000, 1]
    assert [event.timestamp for events in sent for event in events] == list(range(20_001))


def test_record_events_of_nothing_makes_no_call(script: Script, client: shortlist.Client) -> None:
    assert client.record_events([]) == 0
    assert script.requests == []
