# mypy: disallow-any-generics=False
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_QUEUE: _ClassVar[Stage]
    STAGE_DECODE: _ClassVar[Stage]
    STAGE_PROFILE: _ClassVar[Stage]
    STAGE_FILTER: _ClassVar[Stage]
    STAGE_RETRIEVE: _ClassVar[Stage]
    STAGE_FUSE: _ClassVar[Stage]
    STAGE_SCORE: _ClassVar[Stage]
    STAGE_RERANK: _ClassVar[Stage]
    STAGE_EXPLAIN: _ClassVar[Stage]
    STAGE_ENCODE: _ClassVar[Stage]

class ExplanationLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPLANATION_LEVEL_UNSPECIFIED: _ClassVar[ExplanationLevel]
    EXPLANATION_LEVEL_NONE: _ClassVar[ExplanationLevel]
    EXPLANATION_LEVEL_BRIEF: _ClassVar[ExplanationLevel]
    EXPLANATION_LEVEL_FULL: _ClassVar[ExplanationLevel]

class DegradationReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEGRADATION_REASON_UNSPECIFIED: _ClassVar[DegradationReason]
    DEGRADATION_REASON_COLD_START: _ClassVar[DegradationReason]
    DEGRADATION_REASON_FAILED: _ClassVar[DegradationReason]
    DEGRADATION_REASON_LATE: _ClassVar[DegradationReason]
    DEGRADATION_REASON_DEADLINE: _ClassVar[DegradationReason]
    DEGRADATION_REASON_NOT_IN_PACKAGE: _ClassVar[DegradationReason]
    DEGRADATION_REASON_STATE_UNAVAILABLE: _ClassVar[DegradationReason]
    DEGRADATION_REASON_UNMET: _ClassVar[DegradationReason]

class ItemErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ITEM_ERROR_REASON_UNSPECIFIED: _ClassVar[ItemErrorReason]
    ITEM_ERROR_REASON_UNKNOWN: _ClassVar[ItemErrorReason]
    ITEM_ERROR_REASON_DUPLICATE: _ClassVar[ItemErrorReason]
STAGE_UNSPECIFIED: Stage
STAGE_QUEUE: Stage
STAGE_DECODE: Stage
STAGE_PROFILE: Stage
STAGE_FILTER: Stage
STAGE_RETRIEVE: Stage
STAGE_FUSE: Stage
STAGE_SCORE: Stage
STAGE_RERANK: Stage
STAGE_EXPLAIN: Stage
STAGE_ENCODE: Stage
EXPLANATION_LEVEL_UNSPECIFIED: ExplanationLevel
EXPLANATION_LEVEL_NONE: ExplanationLevel
EXPLANATION_LEVEL_BRIEF: ExplanationLevel
EXPLANATION_LEVEL_FULL: ExplanationLevel
DEGRADATION_REASON_UNSPECIFIED: DegradationReason
DEGRADATION_REASON_COLD_START: DegradationReason
DEGRADATION_REASON_FAILED: DegradationReason
DEGRADATION_REASON_LATE: DegradationReason
DEGRADATION_REASON_DEADLINE: DegradationReason
DEGRADATION_REASON_NOT_IN_PACKAGE: DegradationReason
DEGRADATION_REASON_STATE_UNAVAILABLE: DegradationReason
DEGRADATION_REASON_UNMET: DegradationReason
ITEM_ERROR_REASON_UNSPECIFIED: ItemErrorReason
ITEM_ERROR_REASON_UNKNOWN: ItemErrorReason
ITEM_ERROR_REASON_DUPLICATE: ItemErrorReason

class RankedItem(_message.Message):
    __slots__ = ("item_id", "score", "title", "reasons")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    score: float
    title: str
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    def __init__(self, item_id: _Optional[str] = ..., score: _Optional[float] = ..., title: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("because_of", "found_by", "cold_start", "score_parts")
    BECAUSE_OF_FIELD_NUMBER: _ClassVar[int]
    FOUND_BY_FIELD_NUMBER: _ClassVar[int]
    COLD_START_FIELD_NUMBER: _ClassVar[int]
    SCORE_PARTS_FIELD_NUMBER: _ClassVar[int]
    because_of: BecauseOf
    found_by: FoundBy
    cold_start: ColdStart
    score_parts: ScoreParts
    def __init__(self, because_of: _Optional[_Union[BecauseOf, _Mapping]] = ..., found_by: _Optional[_Union[FoundBy, _Mapping]] = ..., cold_start: _Optional[_Union[ColdStart, _Mapping]] = ..., score_parts: _Optional[_Union[ScoreParts, _Mapping]] = ...) -> None: ...

class BecauseOf(_message.Message):
    __slots__ = ("source", "contributions")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    source: str
    contributions: _containers.RepeatedCompositeFieldContainer[Contribution]
    def __init__(self, source: _Optional[str] = ..., contributions: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("item_id", "title", "contribution")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    title: str
    contribution: float
    def __init__(self, item_id: _Optional[str] = ..., title: _Optional[str] = ..., contribution: _Optional[float] = ...) -> None: ...

class FoundBy(_message.Message):
    __slots__ = ("source", "rank", "score")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    source: str
    rank: int
    score: float
    def __init__(self, source: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ...) -> None: ...

class ColdStart(_message.Message):
    __slots__ = ("source", "rank", "score")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    source: str
    rank: int
    score: float
    def __init__(self, source: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ...) -> None: ...

class ScoreParts(_message.Message):
    __slots__ = ("fused", "ranker", "heads", "boost", "diversity_penalty")
    FUSED_FIELD_NUMBER: _ClassVar[int]
    RANKER_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    BOOST_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_PENALTY_FIELD_NUMBER: _ClassVar[int]
    fused: float
    ranker: float
    heads: _containers.RepeatedCompositeFieldContainer[HeadScore]
    boost: float
    diversity_penalty: float
    def __init__(self, fused: _Optional[float] = ..., ranker: _Optional[float] = ..., heads: _Optional[_Iterable[_Union[HeadScore, _Mapping]]] = ..., boost: _Optional[float] = ..., diversity_penalty: _Optional[float] = ...) -> None: ...

class HeadScore(_message.Message):
    __slots__ = ("name", "probability", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    probability: float
    weight: float
    def __init__(self, name: _Optional[str] = ..., probability: _Optional[float] = ..., weight: _Optional[float] = ...) -> None: ...

class StageTiming(_message.Message):
    __slots__ = ("stage", "duration_us")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_US_FIELD_NUMBER: _ClassVar[int]
    stage: Stage
    duration_us: int
    def __init__(self, stage: _Optional[_Union[Stage, str]] = ..., duration_us: _Optional[int] = ...) -> None: ...

class Degradation(_message.Message):
    __slots__ = ("stage", "source", "reason", "detail")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    stage: Stage
    source: str
    reason: DegradationReason
    detail: str
    def __init__(self, stage: _Optional[_Union[Stage, str]] = ..., source: _Optional[str] = ..., reason: _Optional[_Union[DegradationReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class PackageVersion(_message.Message):
    __slots__ = ("name", "id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: str
    def __init__(self, name: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class ExperimentArm(_message.Message):
    __slots__ = ("experiment", "arm")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    experiment: str
    arm: str
    def __init__(self, experiment: _Optional[str] = ..., arm: _Optional[str] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("item_id", "reason")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    reason: ItemErrorReason
    def __init__(self, item_id: _Optional[str] = ..., reason: _Optional[_Union[ItemErrorReason, str]] = ...) -> None: ...

class RequestError(_message.Message):
    __slots__ = ("code", "message", "violations", "retry_after_ms")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    violations: _containers.RepeatedCompositeFieldContainer[FieldViolation]
    retry_after_ms: int
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., violations: _Optional[_Iterable[_Union[FieldViolation, _Mapping]]] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class FieldViolation(_message.Message):
    __slots__ = ("field", "description")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...
