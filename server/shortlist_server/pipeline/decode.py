"""decode: protobuf to domain. All checking of requests to recommend or rank happens here; nothing else happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from shortlist.v1.answer_pb2 import ExplanationLevel
from shortlist.v1.recommendation_pb2 import RankRequest, RecommendRequest
from shortlist.vocabulary import LEVELS, MAX_K
from shortlist_server.errors import InvalidRequestError, NotServedError
from shortlist_server.pipeline.decoding.context import decode_context
from shortlist_server.pipeline.decoding.defaults import Defaults
from shortlist_server.pipeline.decoding.filters import decode_filters, decode_seen_policy
from shortlist_server.pipeline.decoding.history import decode_history
from shortlist_server.pipeline.decoding.reranking import (
    decode_calibration,
    decode_caps,
    decode_diversity,
    decode_exposure,
    decode_freshness,
)
from shortlist_server.pipeline.decoding.scoring import decode_fusion, decode_heads, decode_sources
from shortlist_server.pipeline.decoding.violations import Violations
from shortlist_server.pipeline.query import DEFAULT_K, ExplanationName, Filters, Query

Request = RecommendRequest | RankRequest
Outcome = Query | InvalidRequestError | NotServedError

MAX_CANDIDATES: Final = 10_000
MAX_RANKED: Final = 2_000
EXPLANATIONS: Final = {number: cast("ExplanationName", name) for name, number in LEVELS.items()}
# The contract has these fields, this version does not act on them: saying so beats ignoring them.
UNSERVED_FIELDS: Final = ("boosts", "experiment_overrides")


def decode(requests: Sequence[Request], defaults: Defaults, now: int) -> list[Outcome]:
    """One query per request, or the error that this request alone gets. `now` is the time, in seconds since the epoch.

    InvalidRequestError holds every violation found; NotServedError names a field that this server does not act on yet.
    """
    return [_decode_one(request, defaults, now) for request in requests]


def _decode_one(request: Request, defaults: Defaults, now: int) -> Outcome:
    violations = Violations()
    try:
        fields = _shared_fields(request, defaults, now, violations)
        if isinstance(request, RankRequest):
            query = Query(**fields, **_rank_fields(request, defaults, violations))
        else:
            query = Query(**fields, **_recommend_fields(request, defaults, violations))
        violations.raise_if_any()
        _refuse_unserved(request)
    except (InvalidRequestError, NotServedError) as error:
        return error
    return query


def _shared_fields(request: Request, defaults: Defaults, now: int, violations: Violations) -> Mapping[str, Any]:
    """What both requests have; each field that is wrong is noted."""
    if request.user_id:
        violations.check_id("user_id", request.user_id)
    elif not request.history.item_ids:
        violations.add("user_id", "'' and no history: one of the two is needed")
    violations.check_enum("explanation_level", request.explanation_level, ExplanationLevel)
    freshness = None
    if request.HasField("freshness"):
        freshness = decode_freshness(request.freshness, defaults, violations)
    return {
        "user_id": request.user_id,
        "history": decode_history(request.history, violations),
        "timestamp": request.context.timestamp if request.context.HasField("timestamp") else now,
        "context": decode_context(request.context, defaults, violations),
        "head_weights_H": decode_heads(request.head_weights, defaults, violations),
        "freshness": freshness,
        "calibration": decode_calibration(request.calibration, violations),
        "diversity": decode_diversity(request.diversity, violations),
        "explanation": EXPLANATIONS.get(request.explanation_level, "none"),
    }


def _rank_fields(request: RankRequest, defaults: Defaults, violations: Violations) -> Mapping[str, Any]:
    """The caller's candidates, seen and unavailable ones too: to rank is to recommend all of these."""
    violations.check_count("item_ids", request.item_ids, MAX_RANKED, low=1)
    item_ids = tuple(request.item_ids[:MAX_RANKED])
    return {
        "k": len(item_ids),
        "num_candidates": len(item_ids),
        "candidate_ids": item_ids,
        "seen_policy": "include",
        "source_weights_S": tuple(defaults.source_weights.values()),
        "fusion": defaults.fusion,
        "norm": defaults.norm,
    }


def _recommend_fields(request: RecommendRequest, defaults: Defaults, violations: Violations) -> Mapping[str, Any]:
    k, num_candidates = DEFAULT_K, defaults.num_candidates
    if request.HasField("k"):
        k = request.k
        violations.check_integer("k", k, 1, MAX_K)
    if request.HasField("num_candidates"):
        num_candidates = request.num_candidates
        violations.check_integer("num_candidates", num_candidates, 1, MAX_CANDIDATES)
    fusion, norm = decode_fusion(request.fusion, defaults, violations)
    has_filters = request.HasField("filters")
    return {
        "k": k,
        "num_candidates": max(num_candidates, k),
        "filters": decode_filters(request.filters, defaults, violations) if has_filters else Filters(),
        "seen_policy": decode_seen_policy(request.filters, violations) if has_filters else "exclude",
        "source_weights_S": decode_sources(request.sources, defaults, violations),
        "fusion": fusion,
        "norm": norm,
        "caps": decode_caps(request.caps, defaults, violations),
        "exposure": decode_exposure(request.exposure_constraints, defaults, violations),
    }


def _refuse_unserved(request: Request) -> None:
    for field in UNSERVED_FIELDS:
        if getattr(request, field):
            raise NotServedError(f"{field}: this server does not act on this field yet")
