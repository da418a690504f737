"""decode: protobuf to domain. All checking of requests to recommend or rank happens here; nothing else happens here."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.v1.answer_pb2 import EXPLANATION_LEVEL_UNSPECIFIED, ExplanationLevel
from shortlist.v1.filter_pb2 import SEEN_POLICY_INCLUDE
from shortlist.v1.recommendation_pb2 import (
    FUSION_METHOD_UNSPECIFIED,
    NORMALISATION_UNSPECIFIED,
    Fusion,
    FusionMethod,
    HeadWeight,
    Normalisation,
    RankRequest,
    RecommendRequest,
    SourceWeight,
)
from shortlist_server.errors import InvalidRequest, NotServed
from shortlist_server.pipeline.decode_context import check_context
from shortlist_server.pipeline.decode_filters import decode_filters
from shortlist_server.pipeline.decode_history import decode_history
from shortlist_server.pipeline.decode_reranking import decode_caps, decode_diversity
from shortlist_server.pipeline.query import DEFAULT_K, MAX_K, Defaults, Filters, FusionName, NormName, Query
from shortlist_server.pipeline.violations import Violations

MAX_CANDIDATES = 10_000
MAX_RANKED = 2_000
MAX_WEIGHT = 1000.0

FUSIONS: dict[int, FusionName] = {
    FusionMethod.FUSION_METHOD_WEIGHTED: "weighted",
    FusionMethod.FUSION_METHOD_RECIPROCAL_RANK: "rrf",
    FusionMethod.FUSION_METHOD_ROUND_ROBIN: "round_robin",
    FusionMethod.FUSION_METHOD_MAX: "max",
    FusionMethod.FUSION_METHOD_BORDA: "borda",
}
NORMS: dict[int, NormName] = {
    Normalisation.NORMALISATION_MIN_MAX: "minmax",
    Normalisation.NORMALISATION_Z_SCORE: "zscore",
    Normalisation.NORMALISATION_NONE: "none",
}
# The contract has these fields, this version does not act on them: saying so beats ignoring them.
UNSERVED_FIELDS = {
    RecommendRequest: ("boosts", "exposure_constraints", "experiment_overrides"),
    RankRequest: ("boosts", "experiment_overrides"),
}


def decode(
    requests: Sequence[RecommendRequest | RankRequest], defaults: Defaults
) -> list[Query | InvalidRequest | NotServed]:
    """One query per request, or the error that this request alone gets.

    InvalidRequest holds every violation found; NotServed names a field that this server does not act on yet.
    """
    return [_decode_or_error(request, defaults) for request in requests]


def _decode_or_error(request: RecommendRequest | RankRequest, defaults: Defaults) -> Query | InvalidRequest | NotServed:
    try:
        violations = Violations()
        query = _decode_request(request, defaults, violations)
        violations.raise_if_any()
        _refuse_unserved(request)
    except (InvalidRequest, NotServed) as error:
        return error
    return query


def _decode_request(request: RecommendRequest | RankRequest, defaults: Defaults, violations: Violations) -> Query:
    if request.user_id:
        violations.check_id("user_id", request.user_id)
    elif not request.history.item_ids:
        violations.add("user_id", "'' and no history: one of the two is needed")
    if request.explanation_level:
        violations.check_enum("explanation_level", request.explanation_level, ExplanationLevel)
    check_context(request.context, violations)
    k, num_candidates = _decode_counts(request, defaults, violations)
    recommend = request if isinstance(request, RecommendRequest) else RecommendRequest()
    fusion, norm = _decode_fusion(recommend.fusion, defaults, violations)
    filters = Filters()
    if isinstance(request, RankRequest):
        filters = _only_these(request.item_ids[:MAX_RANKED])
    elif request.HasField("filters"):
        filters = decode_filters(request.filters, defaults, violations)
    return Query(
        user_id=request.user_id,
        history=decode_history(request.history, violations),
        k=k,
        num_candidates=num_candidates,
        filters=filters,
        source_weights_S=_decode_sources(recommend.sources, defaults, violations),
        fusion=fusion,
        norm=norm,
        head_weights_H=_decode_heads(request.head_weights, defaults, violations),
        diversity=decode_diversity(request.diversity, violations),
        caps=decode_caps(recommend.caps, defaults, violations),
        explanation=request.explanation_level or EXPLANATION_LEVEL_UNSPECIFIED,
    )


def _decode_counts(
    request: RecommendRequest | RankRequest, defaults: Defaults, violations: Violations
) -> tuple[int, int]:
    """K and the number of candidates; `Rank` returns all that it is given."""
    if isinstance(request, RankRequest):
        violations.check_count("item_ids", request.item_ids, MAX_RANKED, low=1)
        return len(request.item_ids), len(request.item_ids)
    k, num_candidates = DEFAULT_K, defaults.num_candidates
    if request.HasField("k"):
        k = request.k
        violations.check_integer("k", k, 1, MAX_K)
    if request.HasField("num_candidates"):
        num_candidates = request.num_candidates
        violations.check_integer("num_candidates", num_candidates, 1, MAX_CANDIDATES)
    return k, max(num_candidates, k)


def _only_these(item_ids: Sequence[str]) -> Filters:
    """The caller's candidates, seen and unavailable ones too: to rank is to recommend among these."""
    return Filters(allow_ids=tuple(item_ids), only_available=False, seen_policy=SEEN_POLICY_INCLUDE)


def _decode_sources(sources: Sequence[SourceWeight], defaults: Defaults, violations: Violations) -> tuple[float, ...]:
    if not sources:
        return tuple(defaults.source_weights.values())
    if not violations.check_count("sources", sources, len(defaults.source_weights)):
        return tuple(defaults.source_weights.values())
    asked: dict[str, float] = {}
    for position, source in enumerate(sources):
        field = f"sources[{position}]"
        violations.check_known(f"{field}.name", source.name, tuple(defaults.source_weights))
        if source.name in asked:
            violations.add(f"{field}.name", f"{source.name!r} is given twice")
        weight = source.weight if source.HasField("weight") else defaults.source_weights.get(source.name, 1.0)
        violations.check_number(f"{field}.weight", weight, 0.0, MAX_WEIGHT)
        asked[source.name] = weight
    if not any(asked.values()):
        violations.add("sources", "every source is switched off")
    return tuple(asked.get(name, 0.0) for name in defaults.source_weights)


def _decode_heads(heads: Sequence[HeadWeight], defaults: Defaults, violations: Violations) -> tuple[float, ...]:
    if not violations.check_count("head_weights", heads, len(defaults.head_weights)):
        return tuple(defaults.head_weights.values())
    weights = dict(defaults.head_weights)
    for position, head in enumerate(heads):
        field = f"head_weights[{position}]"
        violations.check_known(f"{field}.name", head.name, tuple(defaults.head_weights))
        violations.check_number(f"{field}.weight", head.weight, -MAX_WEIGHT, MAX_WEIGHT)
        if any(head.name == earlier.name for earlier in heads[:position]):
            violations.add(f"{field}.name", f"{head.name!r} is given twice")
        weights[head.name] = head.weight
    return tuple(weights[name] for name in defaults.head_weights)


def _decode_fusion(fusion: Fusion, defaults: Defaults, violations: Violations) -> tuple[FusionName, NormName]:
    if not fusion.ByteSize():
        return defaults.fusion, defaults.norm
    violations.check_enum("fusion.method", fusion.method, FusionMethod)
    violations.check_enum("fusion.normalisation", fusion.normalisation, Normalisation)
    method = defaults.fusion if fusion.method == FUSION_METHOD_UNSPECIFIED else FUSIONS.get(fusion.method)
    norm = defaults.norm if fusion.normalisation == NORMALISATION_UNSPECIFIED else NORMS.get(fusion.normalisation)
    return method or defaults.fusion, norm or defaults.norm


def _refuse_unserved(request: RecommendRequest | RankRequest) -> None:
    for field in UNSERVED_FIELDS[type(request)]:
        if getattr(request, field):
            raise NotServed(f"{field}: this server does not act on this field yet")
