# mypy: disallow-any-generics=False
from shortlist.v1 import answer_pb2 as _answer_pb2
from shortlist.v1 import filter_pb2 as _filter_pb2
from shortlist.v1 import history_pb2 as _history_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FusionMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FUSION_METHOD_UNSPECIFIED: _ClassVar[FusionMethod]
    FUSION_METHOD_WEIGHTED: _ClassVar[FusionMethod]
    FUSION_METHOD_RECIPROCAL_RANK: _ClassVar[FusionMethod]
    FUSION_METHOD_ROUND_ROBIN: _ClassVar[FusionMethod]
    FUSION_METHOD_MAX: _ClassVar[FusionMethod]
    FUSION_METHOD_BORDA: _ClassVar[FusionMethod]

class Normalisation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NORMALISATION_UNSPECIFIED: _ClassVar[Normalisation]
    NORMALISATION_MIN_MAX: _ClassVar[Normalisation]
    NORMALISATION_Z_SCORE: _ClassVar[Normalisation]
    NORMALISATION_NONE: _ClassVar[Normalisation]

class DiversityMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIVERSITY_METHOD_UNSPECIFIED: _ClassVar[DiversityMethod]
    DIVERSITY_METHOD_MMR: _ClassVar[DiversityMethod]
    DIVERSITY_METHOD_DPP: _ClassVar[DiversityMethod]
FUSION_METHOD_UNSPECIFIED: FusionMethod
FUSION_METHOD_WEIGHTED: FusionMethod
FUSION_METHOD_RECIPROCAL_RANK: FusionMethod
FUSION_METHOD_ROUND_ROBIN: FusionMethod
FUSION_METHOD_MAX: FusionMethod
FUSION_METHOD_BORDA: FusionMethod
NORMALISATION_UNSPECIFIED: Normalisation
NORMALISATION_MIN_MAX: Normalisation
NORMALISATION_Z_SCORE: Normalisation
NORMALISATION_NONE: Normalisation
DIVERSITY_METHOD_UNSPECIFIED: DiversityMethod
DIVERSITY_METHOD_MMR: DiversityMethod
DIVERSITY_METHOD_DPP: DiversityMethod

class RecommendRequest(_message.Message):
    __slots__ = ("user_id", "history", "k", "context", "filters", "boosts", "sources", "fusion", "head_weights", "num_candidates", "diversity", "caps", "exposure_constraints", "explanation_level", "experiment_overrides", "calibration", "freshness")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    BOOSTS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    FUSION_FIELD_NUMBER: _ClassVar[int]
    HEAD_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    NUM_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    CAPS_FIELD_NUMBER: _ClassVar[int]
    EXPOSURE_CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_LEVEL_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    history: _history_pb2.History
    k: int
    context: Context
    filters: _filter_pb2.Filters
    boosts: _containers.RepeatedCompositeFieldContainer[_filter_pb2.Boost]
    sources: _containers.RepeatedCompositeFieldContainer[SourceWeight]
    fusion: Fusion
    head_weights: _containers.RepeatedCompositeFieldContainer[HeadWeight]
    num_candidates: int
    diversity: Diversity
    caps: _containers.RepeatedCompositeFieldContainer[AttributeCap]
    exposure_constraints: _containers.RepeatedCompositeFieldContainer[ExposureConstraint]
    explanation_level: _answer_pb2.ExplanationLevel
    experiment_overrides: _containers.RepeatedCompositeFieldContainer[_answer_pb2.ExperimentArm]
    calibration: Calibration
    freshness: Freshness
    def __init__(self, user_id: _Optional[str] = ..., history: _Optional[_Union[_history_pb2.History, _Mapping]] = ..., k: _Optional[int] = ..., context: _Optional[_Union[Context, _Mapping]] = ..., filters: _Optional[_Union[_filter_pb2.Filters, _Mapping]] = ..., boosts: _Optional[_Iterable[_Union[_filter_pb2.Boost, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[SourceWeight, _Mapping]]] = ..., fusion: _Optional[_Union[Fusion, _Mapping]] = ..., head_weights: _Optional[_Iterable[_Union[HeadWeight, _Mapping]]] = ..., num_candidates: _Optional[int] = ..., diversity: _Optional[_Union[Diversity, _Mapping]] = ..., caps: _Optional[_Iterable[_Union[AttributeCap, _Mapping]]] = ..., exposure_constraints: _Optional[_Iterable[_Union[ExposureConstraint, _Mapping]]] = ..., explanation_level: _Optional[_Union[_answer_pb2.ExplanationLevel, str]] = ..., experiment_overrides: _Optional[_Iterable[_Union[_answer_pb2.ExperimentArm, _Mapping]]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("timestamp", "features")
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    timestamp: int
    features: _containers.RepeatedCompositeFieldContainer[ContextFeature]
    def __init__(self, timestamp: _Optional[int] = ..., features: _Optional[_Iterable[_Union[ContextFeature, _Mapping]]] = ...) -> None: ...

class ContextFeature(_message.Message):
    __slots__ = ("name", "number", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: float
    text: str
    def __init__(self, name: _Optional[str] = ..., number: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class SourceWeight(_message.Message):
    __slots__ = ("name", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    weight: float
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Fusion(_message.Message):
    __slots__ = ("method", "normalisation")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    NORMALISATION_FIELD_NUMBER: _ClassVar[int]
    method: FusionMethod
    normalisation: Normalisation
    def __init__(self, method: _Optional[_Union[FusionMethod, str]] = ..., normalisation: _Optional[_Union[Normalisation, str]] = ...) -> None: ...

class HeadWeight(_message.Message):
    __slots__ = ("name", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    weight: float
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Freshness(_message.Message):
    __slots__ = ("attribute", "half_life_days", "weight")
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    HALF_LIFE_DAYS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    attribute: str
    half_life_days: float
    weight: float
    def __init__(self, attribute: _Optional[str] = ..., half_life_days: _Optional[float] = ..., weight: _Optional[float] = ...) -> None: ...

class Calibration(_message.Message):
    __slots__ = ("strength",)
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    strength: float
    def __init__(self, strength: _Optional[float] = ...) -> None: ...

class Diversity(_message.Message):
    __slots__ = ("method", "strength")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    method: DiversityMethod
    strength: float
    def __init__(self, method: _Optional[_Union[DiversityMethod, str]] = ..., strength: _Optional[float] = ...) -> None: ...

class AttributeCap(_message.Message):
    __slots__ = ("attribute", "max_items")
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    attribute: str
    max_items: int
    def __init__(self, attribute: _Optional[str] = ..., max_items: _Optional[int] = ...) -> None: ...

class ExposureConstraint(_message.Message):
    __slots__ = ("category", "min_share", "max_share")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    MIN_SHARE_FIELD_NUMBER: _ClassVar[int]
    MAX_SHARE_FIELD_NUMBER: _ClassVar[int]
    category: str
    min_share: float
    max_share: float
    def __init__(self, category: _Optional[str] = ..., min_share: _Optional[float] = ..., max_share: _Optional[float] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("items", "package", "timings", "degraded", "experiments", "relevance_lost")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_LOST_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_answer_pb2.RankedItem]
    package: _answer_pb2.PackageVersion
    timings: _containers.RepeatedCompositeFieldContainer[_answer_pb2.StageTiming]
    degraded: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Degradation]
    experiments: _containers.RepeatedCompositeFieldContainer[_answer_pb2.ExperimentArm]
    relevance_lost: float
    def __init__(self, items: _Optional[_Iterable[_Union[_answer_pb2.RankedItem, _Mapping]]] = ..., package: _Optional[_Union[_answer_pb2.PackageVersion, _Mapping]] = ..., timings: _Optional[_Iterable[_Union[_answer_pb2.StageTiming, _Mapping]]] = ..., degraded: _Optional[_Iterable[_Union[_answer_pb2.Degradation, _Mapping]]] = ..., experiments: _Optional[_Iterable[_Union[_answer_pb2.ExperimentArm, _Mapping]]] = ..., relevance_lost: _Optional[float] = ...) -> None: ...

class RecommendBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RecommendRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RecommendRequest, _Mapping]]] = ...) -> None: ...

class RecommendBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecommendResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RecommendResult, _Mapping]]] = ...) -> None: ...

class RecommendResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: RecommendResponse
    error: _answer_pb2.RequestError
    def __init__(self, response: _Optional[_Union[RecommendResponse, _Mapping]] = ..., error: _Optional[_Union[_answer_pb2.RequestError, _Mapping]] = ...) -> None: ...

class RecommendStreamRequest(_message.Message):
    __slots__ = ("correlation_id", "request", "timeout_ms")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    correlation_id: int
    request: RecommendRequest
    timeout_ms: int
    def __init__(self, correlation_id: _Optional[int] = ..., request: _Optional[_Union[RecommendRequest, _Mapping]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class RecommendStreamResponse(_message.Message):
    __slots__ = ("correlation_id", "response", "error")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    correlation_id: int
    response: RecommendResponse
    error: _answer_pb2.RequestError
    def __init__(self, correlation_id: _Optional[int] = ..., response: _Optional[_Union[RecommendResponse, _Mapping]] = ..., error: _Optional[_Union[_answer_pb2.RequestError, _Mapping]] = ...) -> None: ...

class RankRequest(_message.Message):
    __slots__ = ("user_id", "history", "item_ids", "context", "boosts", "head_weights", "diversity", "explanation_level", "experiment_overrides", "calibration", "freshness")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    BOOSTS_FIELD_NUMBER: _ClassVar[int]
    HEAD_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_LEVEL_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    history: _history_pb2.History
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    context: Context
    boosts: _containers.RepeatedCompositeFieldContainer[_filter_pb2.Boost]
    head_weights: _containers.RepeatedCompositeFieldContainer[HeadWeight]
    diversity: Diversity
    explanation_level: _answer_pb2.ExplanationLevel
    experiment_overrides: _containers.RepeatedCompositeFieldContainer[_answer_pb2.ExperimentArm]
    calibration: Calibration
    freshness: Freshness
    def __init__(self, user_id: _Optional[str] = ..., history: _Optional[_Union[_history_pb2.History, _Mapping]] = ..., item_ids: _Optional[_Iterable[str]] = ..., context: _Optional[_Union[Context, _Mapping]] = ..., boosts: _Optional[_Iterable[_Union[_filter_pb2.Boost, _Mapping]]] = ..., head_weights: _Optional[_Iterable[_Union[HeadWeight, _Mapping]]] = ..., diversity: _Optional[_Union[Diversity, _Mapping]] = ..., explanation_level: _Optional[_Union[_answer_pb2.ExplanationLevel, str]] = ..., experiment_overrides: _Optional[_Iterable[_Union[_answer_pb2.ExperimentArm, _Mapping]]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ...) -> None: ...

class RankResponse(_message.Message):
    __slots__ = ("items", "item_errors", "package", "timings", "degraded", "experiments", "relevance_lost")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ERRORS_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_LOST_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_answer_pb2.RankedItem]
    item_errors: _containers.RepeatedCompositeFieldContainer[_answer_pb2.ItemError]
    package: _answer_pb2.PackageVersion
    timings: _containers.RepeatedCompositeFieldContainer[_answer_pb2.StageTiming]
    degraded: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Degradation]
    experiments: _containers.RepeatedCompositeFieldContainer[_answer_pb2.ExperimentArm]
    relevance_lost: float
    def __init__(self, items: _Optional[_Iterable[_Union[_answer_pb2.RankedItem, _Mapping]]] = ..., item_errors: _Optional[_Iterable[_Union[_answer_pb2.ItemError, _Mapping]]] = ..., package: _Optional[_Union[_answer_pb2.PackageVersion, _Mapping]] = ..., timings: _Optional[_Iterable[_Union[_answer_pb2.StageTiming, _Mapping]]] = ..., degraded: _Optional[_Iterable[_Union[_answer_pb2.Degradation, _Mapping]]] = ..., experiments: _Optional[_Iterable[_Union[_answer_pb2.ExperimentArm, _Mapping]]] = ..., relevance_lost: _Optional[float] = ...) -> None: ...

class SimilarItemsRequest(_message.Message):
    __slots__ = ("item_id", "k", "filters", "source")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    k: int
    filters: _filter_pb2.Filters
    source: str
    def __init__(self, item_id: _Optional[str] = ..., k: _Optional[int] = ..., filters: _Optional[_Union[_filter_pb2.Filters, _Mapping]] = ..., source: _Optional[str] = ...) -> None: ...

class SimilarItemsResponse(_message.Message):
    __slots__ = ("items", "package", "timings", "degraded")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_answer_pb2.RankedItem]
    package: _answer_pb2.PackageVersion
    timings: _containers.RepeatedCompositeFieldContainer[_answer_pb2.StageTiming]
    degraded: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Degradation]
    def __init__(self, items: _Optional[_Iterable[_Union[_answer_pb2.RankedItem, _Mapping]]] = ..., package: _Optional[_Union[_answer_pb2.PackageVersion, _Mapping]] = ..., timings: _Optional[_Iterable[_Union[_answer_pb2.StageTiming, _Mapping]]] = ..., degraded: _Optional[_Iterable[_Union[_answer_pb2.Degradation, _Mapping]]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("request", "item_id")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    request: RecommendRequest
    item_id: str
    def __init__(self, request: _Optional[_Union[RecommendRequest, _Mapping]] = ..., item_id: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("item", "rank", "last_stage", "filter_hits", "package", "timings", "degraded")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    LAST_STAGE_FIELD_NUMBER: _ClassVar[int]
    FILTER_HITS_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    item: _answer_pb2.RankedItem
    rank: int
    last_stage: _answer_pb2.Stage
    filter_hits: _containers.RepeatedCompositeFieldContainer[FilterHit]
    package: _answer_pb2.PackageVersion
    timings: _containers.RepeatedCompositeFieldContainer[_answer_pb2.StageTiming]
    degraded: _containers.RepeatedCompositeFieldContainer[_answer_pb2.Degradation]
    def __init__(self, item: _Optional[_Union[_answer_pb2.RankedItem, _Mapping]] = ..., rank: _Optional[int] = ..., last_stage: _Optional[_Union[_answer_pb2.Stage, str]] = ..., filter_hits: _Optional[_Iterable[_Union[FilterHit, _Mapping]]] = ..., package: _Optional[_Union[_answer_pb2.PackageVersion, _Mapping]] = ..., timings: _Optional[_Iterable[_Union[_answer_pb2.StageTiming, _Mapping]]] = ..., degraded: _Optional[_Iterable[_Union[_answer_pb2.Degradation, _Mapping]]] = ...) -> None: ...

class FilterHit(_message.Message):
    __slots__ = ("field", "description")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...
