"""decode: every limit of the contract, named by field and value; defaults; what is not served yet."""

from __future__ import annotations

import dataclasses
import math

import pytest
from google.protobuf.message import Message

from shortlist.v1.answer_pb2 import ExperimentArm
from shortlist.v1.filter_pb2 import Boost, Filters, NumericRange
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import (
    AttributeCap,
    Calibration,
    Context,
    ContextFeature,
    Diversity,
    ExposureConstraint,
    Freshness,
    Fusion,
    HeadWeight,
    RankRequest,
    RecommendRequest,
    SourceWeight,
)
from shortlist_server.errors import InvalidRequestError, NotServedError
from shortlist_server.pipeline.decode import decode
from shortlist_server.pipeline.decoding.defaults import Defaults
from shortlist_server.pipeline.query import Query, ShareLimits

NAN = math.nan
NOW = 1_700_000_000


def recommend(**fields: object) -> RecommendRequest:
    return RecommendRequest(**{"user_id": "ann", **fields})  # type: ignore[arg-type]


def exposed(*given: ExposureConstraint) -> RecommendRequest:
    return recommend(exposure_constraints=given)


def fresh(**fields: object) -> RecommendRequest:
    return recommend(freshness=Freshness(**{"attribute": "margin", **fields}))  # type: ignore[arg-type]


def features(*given: ContextFeature) -> RecommendRequest:
    return recommend(context=Context(features=given))


BAD: list[tuple[Message, str, str]] = [
    (RecommendRequest(), "user_id", "''"),
    (RecommendRequest(user_id="é" * 65), "user_id", "130 bytes"),
    (recommend(k=0), "k", "0 is not in 1..1000"),
    (recommend(k=-5), "k", "-5 is not in 1..1000"),
    (recommend(k=1001), "k", "1001 is not in 1..1000"),
    (recommend(num_candidates=0), "num_candidates", "0 is not"),
    (recommend(num_candidates=10_001), "num_candidates", "10001 is not"),
    (recommend(explanation_level=9), "explanation_level", "9 is not a number of ExplanationLevel"),
    (recommend(fusion=Fusion(method=7)), "fusion.method", "7 is not"),  # type: ignore[arg-type]
    (recommend(fusion=Fusion(normalisation=8)), "fusion.normalisation", "8 is not"),  # type: ignore[arg-type]
    (recommend(diversity=Diversity(method=5)), "diversity.method", "5 is not"),  # type: ignore[arg-type]
    (recommend(diversity=Diversity(strength=1.5)), "diversity.strength", "1.5 is not in 0..1"),
    (recommend(diversity=Diversity(strength=NAN)), "diversity.strength", "nan is not"),
    (recommend(caps=[AttributeCap(max_items=1)]), "caps[0].attribute", "'' is not one of category, margin, pop"),
    (recommend(caps=[AttributeCap(attribute="c1", max_items=1)]), "caps[0].attribute", "'c1' is not one of"),
    (recommend(caps=[AttributeCap(attribute="price")]), "caps[0].max_items", "0 is not in 1..1000"),
    (recommend(caps=[AttributeCap(attribute="price", max_items=1001)]), "caps[0].max_items", "1001 is not"),
    (recommend(caps=[AttributeCap(attribute="price", max_items=1)] * 2), "caps[1].attribute", "'price' is given twice"),
    (recommend(caps=[AttributeCap(attribute="price", max_items=1)] * 17), "caps", "17 entries, not 0..16"),
    (recommend(calibration=Calibration(strength=-0.1)), "calibration.strength", "-0.1 is not in 0..1"),
    (recommend(calibration=Calibration(strength=NAN)), "calibration.strength", "nan is not in 0..1"),
    (fresh(attribute=""), "freshness.attribute", "'' is not one of margin"),
    (fresh(attribute="c1"), "freshness.attribute", "'c1' is not one of margin"),
    (fresh(weight=1.01), "freshness.weight", "1.01 is not in 0..1"),
    (fresh(half_life_days=0.0), "freshness.half_life_days", "0 is not above 0 and at most 36500"),
    (fresh(half_life_days=36_501.0), "freshness.half_life_days", "36501 is not above 0"),
    (fresh(half_life_days=NAN), "freshness.half_life_days", "nan is not above 0"),
    (exposed(ExposureConstraint(category="nope")), "exposure_constraints[0].category", "'nope' is not a category"),
    (exposed(*[ExposureConstraint(category="c1")] * 2), "exposure_constraints[1].category", "'c1' is given twice"),
    (exposed(*[ExposureConstraint(category="c1")] * 17), "exposure_constraints", "17 entries, not 0..16"),
    (
        exposed(ExposureConstraint(category="c1", min_share=-0.5)),
        "exposure_constraints[0].min_share",
        "-0.5 is not in 0..1",
    ),
    (
        exposed(ExposureConstraint(category="c1", max_share=1.5)),
        "exposure_constraints[0].max_share",
        "1.5 is not in 0..1",
    ),
    (
        exposed(ExposureConstraint(category="c1", max_share=NAN)),
        "exposure_constraints[0].max_share",
        "nan is not in 0..1",
    ),
    (
        exposed(ExposureConstraint(category="c1", min_share=0.5, max_share=0.25)),
        "exposure_constraints[0].max_share",
        "0.25 is less than the min_share 0.5",
    ),
    (
        exposed(*[ExposureConstraint(category=f"c{number}", min_share=0.34) for number in range(3)]),
        "exposure_constraints",
        "the min_shares sum to 1.02, more than 1",
    ),
    (recommend(sources=[SourceWeight(name="nope")]), "sources[0].name", "'nope' is not one of two_tower"),
    (recommend(sources=[SourceWeight(name="popular"), SourceWeight(name="popular")]), "sources[1].name", "twice"),
    (recommend(sources=[SourceWeight(name="popular", weight=-1)]), "sources[0].weight", "-1 is not in 0..1000"),
    (recommend(sources=[SourceWeight(name="popular", weight=NAN)]), "sources[0].weight", "nan"),
    (recommend(sources=[SourceWeight(name="popular", weight=0)]), "sources", "switched off"),
    (recommend(sources=[SourceWeight(name="popular")] * 4), "sources", "4 entries, not 0..3"),
    (recommend(head_weights=[HeadWeight(name="click")] * 3), "head_weights", "3 entries, not 0..2"),
    (recommend(head_weights=[HeadWeight(name="nope")]), "head_weights[0].name", "'nope' is not one of click, purchase"),
    (recommend(head_weights=[HeadWeight(name="click")] * 2), "head_weights[1].name", "twice"),
    (recommend(head_weights=[HeadWeight(name="click", weight=math.inf)]), "head_weights[0].weight", "inf"),
    (recommend(filters=Filters(availability=4)), "filters.availability", "4 is not"),  # type: ignore[arg-type]
    (recommend(filters=Filters(seen_policy=-1)), "filters.seen_policy", "-1 is not"),  # type: ignore[arg-type]
    (recommend(filters=Filters(categories_any=["c"] * 101)), "filters.categories_any", "101 entries"),
    (recommend(filters=Filters(categories_all=["c"] * 101)), "filters.categories_all", "101 entries"),
    (recommend(filters=Filters(categories_none=["c"] * 101)), "filters.categories_none", "101 entries"),
    (recommend(filters=Filters(allow_item_ids=["i"] * 100_001)), "filters.allow_item_ids", "100001 entries"),
    (recommend(filters=Filters(deny_item_ids=["i"] * 100_001)), "filters.deny_item_ids", "100001 entries"),
    (recommend(filters=Filters(ranges=[NumericRange(attribute="price")] * 33)), "filters.ranges", "33 entries"),
    (recommend(filters=Filters(ranges=[NumericRange()])), "filters.ranges[0].attribute", "'' is not one of"),
    (
        recommend(filters=Filters(ranges=[NumericRange(attribute="price", minimum=NAN)])),
        "filters.ranges[0].minimum",
        "nan",
    ),
    (
        recommend(filters=Filters(ranges=[NumericRange(attribute="price", minimum=2, maximum=1)])),
        "filters.ranges[0].maximum",
        "1 is less than the minimum 2",
    ),
    (recommend(history=History(item_ids=["a", ""])), "history.item_ids[1]", "'' has 0 bytes"),
    (recommend(history=History(item_ids=["a" * 128, "é" * 65])), "history.item_ids[1]", "130 bytes"),
    (recommend(history=History(item_ids=["a"] * 10_001)), "history.item_ids", "10001 entries"),
    (recommend(history=History(item_ids=["a"], timestamps=[1, 2])), "history.timestamps", "2 entries for 1"),
    (recommend(history=History(item_ids=["a"], types=[99, 99])), "history.types", "2 entries for 1"),  # type: ignore[list-item]
    (recommend(history=History(item_ids=["a"], timestamps=[-1, -1])), "history.timestamps", "2 entries for 1"),
    (recommend(history=History(timestamps=[1])), "history.timestamps", "1 entries for 0"),
    (recommend(history=History(item_ids=["a"], timestamps=[-1])), "history.timestamps[0]", "-1 is not in"),
    (recommend(history=History(item_ids=["a"], types=[99])), "history.types[0]", "99 is not"),  # type: ignore[list-item]
    (recommend(history=History(item_ids=["a"], values=[1, 2])), "history.values", "2 entries for 1"),
    (recommend(history=History(item_ids=["a", "b"], values=[1, NAN])), "history.values[1]", "nan is not finite"),
    (recommend(history=History(item_ids=["a"], values=[math.inf])), "history.values[0]", "inf is not finite"),
    (recommend(context=Context(timestamp=-1)), "context.timestamp", "-1 is not in"),
    (features(*[ContextFeature(name=str(i), number=1) for i in range(65)]), "context.features", "65 entries"),
    (features(ContextFeature(number=1)), "context.features[0].name", "'' has 0 bytes"),
    (features(ContextFeature(name="a")), "context.features[0].value", "neither"),
    (features(ContextFeature(name="a", number=NAN)), "context.features[0].number", "nan"),
    (features(ContextFeature(name="a", text="x" * 1025)), "context.features[0].text", "1025 bytes"),
    (features(*[ContextFeature(name="a", number=1)] * 2), "context.features[1].name", "twice"),
    (RankRequest(user_id="ann"), "item_ids", "0 entries, not 1..2000"),
    (RankRequest(user_id="ann", item_ids=["i"] * 2001), "item_ids", "2001 entries"),
    (RankRequest(item_ids=["i"]), "user_id", "''"),
]


@pytest.mark.parametrize(("request_", "field", "value"), BAD, ids=[f"{field}-{value}" for _, field, value in BAD])
def test_each_violation_is_named_by_field_and_value(
    request_: RecommendRequest | RankRequest, field: str, value: str, defaults: Defaults
) -> None:
    error = decode([request_], defaults, NOW)[0]
    assert isinstance(error, InvalidRequestError)
    assert [named for named, _ in error.violations] == [field]
    assert value in error.violations[0][1]


def test_all_violations_are_named_at_once(defaults: Defaults) -> None:
    error = decode([RecommendRequest(k=0, diversity=Diversity(strength=2))], defaults, NOW)[0]
    assert isinstance(error, InvalidRequestError)
    assert {field for field, _ in error.violations} == {"user_id", "k", "diversity.strength"}


def test_violations_are_cut_off_before_they_outgrow_a_reply(defaults: Defaults) -> None:
    error = decode([recommend(history=History(item_ids=["" for _ in range(5000)]))], defaults, NOW)[0]
    assert isinstance(error, InvalidRequestError)
    assert 10 < len(error.violations) < 200


def test_the_first_violation_is_told_however_long_its_description_is(defaults: Defaults) -> None:
    many = dataclasses.replace(defaults, attributes=frozenset(f"attribute-{number:04d}" for number in range(1000)))
    error = decode([recommend(k=0, filters=Filters(ranges=[NumericRange(attribute="nope")]))], many, NOW)[0]
    assert isinstance(error, InvalidRequestError)
    assert [field for field, _ in error.violations] == ["k", "filters.ranges[0].attribute"]
    assert len(str(error)) < 1000


def test_a_request_of_megabytes_of_names_is_refused_without_comparing_each_with_all(defaults: Defaults) -> None:
    error = decode([recommend(head_weights=[HeadWeight(name="click")] * 1_000_000)], defaults, NOW)[0]
    assert isinstance(error, InvalidRequestError)
    assert error.violations == [("head_weights", "1000000 entries, not 0..2")]


UNSERVED: list[tuple[Message, str]] = [
    (recommend(boosts=[Boost(item_id="item-001", amount=1)]), "boosts"),
    (recommend(experiment_overrides=[ExperimentArm(experiment="e", arm="a")]), "experiment_overrides"),
    (RankRequest(user_id="ann", item_ids=["i"], boosts=[Boost(item_id="i")]), "boosts"),
]


@pytest.mark.parametrize(("request_", "field"), UNSERVED, ids=[field for _, field in UNSERVED])
def test_fields_that_are_not_acted_on_are_refused_by_name(
    request_: RecommendRequest | RankRequest, field: str, defaults: Defaults
) -> None:
    error = decode([request_], defaults, NOW)[0]
    assert isinstance(error, NotServedError)
    assert str(error).startswith(f"{field}:")


def test_an_empty_request_gets_the_defaults_of_the_contract_and_the_package(defaults: Defaults) -> None:
    query = decode([recommend()], defaults, NOW)[0]
    assert isinstance(query, Query)
    assert (query.k, query.num_candidates, query.fusion, query.norm) == (10, 20, "weighted", "minmax")
    assert query.source_weights_S == (0.5, 0.4, 0.1)
    assert query.head_weights_H == (0.25, 1.0)
    assert query.filters.only_available
    assert query.diversity.strength == 0.0
    assert (query.caps, query.exposure) == ((), ())
    assert (query.freshness, query.calibration) == (None, 0.0)
    assert (query.seen_policy, query.explanation, query.timestamp) == ("exclude", "none", NOW)


def test_named_sources_switch_the_others_off_and_keep_the_package_weight(defaults: Defaults) -> None:
    query = decode(
        [recommend(sources=[SourceWeight(name="popular"), SourceWeight(name="two_tower", weight=3)])], defaults, NOW
    )
    assert isinstance(query[0], Query)
    assert query[0].source_weights_S == (3.0, 0.0, 0.1)


def test_head_weights_not_named_keep_the_package_weight(defaults: Defaults) -> None:
    query = decode([recommend(head_weights=[HeadWeight(name="click", weight=-2)])], defaults, NOW)[0]
    assert isinstance(query, Query)
    assert query.head_weights_H == (-2.0, 1.0)


def test_fewer_candidates_than_k_count_as_k(defaults: Defaults) -> None:
    query = decode([recommend(k=50, num_candidates=3)], defaults, NOW)[0]
    assert isinstance(query, Query)
    assert query.num_candidates == 50


def test_shares_that_sum_to_one_but_for_the_last_digit_are_taken(defaults: Defaults) -> None:
    tenths = [
        ExposureConstraint(category="all", min_share=0.1 + 0.2),
        ExposureConstraint(category="c1", min_share=0.1 * 7),
    ]
    query = decode([exposed(*tenths)], defaults, NOW)[0]
    assert isinstance(query, Query)
    assert query.exposure[1] == ShareLimits(category="c1", min_share=0.1 * 7, max_share=1.0)


def test_rank_takes_the_rules_that_order_all_candidates(defaults: Defaults) -> None:
    request = RankRequest(
        user_id="ann",
        item_ids=["item-001", "item-001"],
        calibration=Calibration(strength=0.5),
        freshness=Freshness(attribute="margin", weight=0.25),
        context=Context(timestamp=5),
    )
    query = decode([request], defaults, NOW)[0]
    assert isinstance(query, Query)
    assert query.candidate_ids == ("item-001", "item-001")
    assert query.freshness is not None
    assert (query.freshness.half_life_days, query.freshness.weight) == (30.0, 0.25)
    assert (query.k, query.calibration, query.timestamp, query.seen_policy) == (2, 0.5, 5, "include")


def test_a_text_is_refused_where_a_model_takes_a_number(defaults: Defaults) -> None:
    request = features(ContextFeature(name="hour", text="noon"), ContextFeature(name="shop", number=3))
    query = decode([request], defaults, NOW)[0]
    assert isinstance(query, Query)
    assert query.context == {"shop": 3.0}
    numbers = dataclasses.replace(defaults, context_numbers=frozenset({"hour"}))
    error = decode([request], numbers, NOW)[0]
    assert isinstance(error, InvalidRequestError)
    assert error.violations == [("context.features[0].text", "a model of the package takes 'hour' as a number")]
