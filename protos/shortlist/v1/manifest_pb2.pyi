# mypy: disallow-any-generics=False
import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from shortlist.v1 import recommendation_pb2 as _recommendation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Metric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_UNSPECIFIED: _ClassVar[Metric]
    METRIC_INNER_PRODUCT: _ClassVar[Metric]
    METRIC_COSINE: _ClassVar[Metric]
    METRIC_EUCLIDEAN: _ClassVar[Metric]
    METRIC_PEARSON: _ClassVar[Metric]
METRIC_UNSPECIFIED: Metric
METRIC_INNER_PRODUCT: Metric
METRIC_COSINE: Metric
METRIC_EUCLIDEAN: Metric
METRIC_PEARSON: Metric

class Manifest(_message.Message):
    __slots__ = ("schema_version", "name", "id", "created", "data", "training", "evaluations", "items", "spaces", "sources", "fusion", "num_candidates", "fallback_source", "ranker", "rerank", "files")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    FUSION_FIELD_NUMBER: _ClassVar[int]
    NUM_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_SOURCE_FIELD_NUMBER: _ClassVar[int]
    RANKER_FIELD_NUMBER: _ClassVar[int]
    RERANK_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    schema_version: int
    name: str
    id: str
    created: _timestamp_pb2.Timestamp
    data: TrainingData
    training: Training
    evaluations: _containers.RepeatedCompositeFieldContainer[Evaluation]
    items: Items
    spaces: _containers.RepeatedCompositeFieldContainer[Space]
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    fusion: _recommendation_pb2.Fusion
    num_candidates: int
    fallback_source: str
    ranker: Ranker
    rerank: Rerank
    files: _containers.RepeatedCompositeFieldContainer[PackageFile]
    def __init__(self, schema_version: _Optional[int] = ..., name: _Optional[str] = ..., id: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., data: _Optional[_Union[TrainingData, _Mapping]] = ..., training: _Optional[_Union[Training, _Mapping]] = ..., evaluations: _Optional[_Iterable[_Union[Evaluation, _Mapping]]] = ..., items: _Optional[_Union[Items, _Mapping]] = ..., spaces: _Optional[_Iterable[_Union[Space, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ..., fusion: _Optional[_Union[_recommendation_pb2.Fusion, _Mapping]] = ..., num_candidates: _Optional[int] = ..., fallback_source: _Optional[str] = ..., ranker: _Optional[_Union[Ranker, _Mapping]] = ..., rerank: _Optional[_Union[Rerank, _Mapping]] = ..., files: _Optional[_Iterable[_Union[PackageFile, _Mapping]]] = ...) -> None: ...

class TrainingData(_message.Message):
    __slots__ = ("fingerprint", "num_users", "num_events", "first_timestamp", "last_timestamp", "train_until", "licence", "attribution")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    NUM_USERS_FIELD_NUMBER: _ClassVar[int]
    NUM_EVENTS_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    LAST_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    TRAIN_UNTIL_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    fingerprint: str
    num_users: int
    num_events: int
    first_timestamp: int
    last_timestamp: int
    train_until: int
    licence: str
    attribution: str
    def __init__(self, fingerprint: _Optional[str] = ..., num_users: _Optional[int] = ..., num_events: _Optional[int] = ..., first_timestamp: _Optional[int] = ..., last_timestamp: _Optional[int] = ..., train_until: _Optional[int] = ..., licence: _Optional[str] = ..., attribution: _Optional[str] = ...) -> None: ...

class Training(_message.Message):
    __slots__ = ("recipe", "seed", "settings", "libraries", "instruction_set", "num_threads", "seconds")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    LIBRARIES_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_SET_FIELD_NUMBER: _ClassVar[int]
    NUM_THREADS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    recipe: str
    seed: int
    settings: _struct_pb2.Struct
    libraries: _containers.RepeatedCompositeFieldContainer[Library]
    instruction_set: str
    num_threads: int
    seconds: float
    def __init__(self, recipe: _Optional[str] = ..., seed: _Optional[int] = ..., settings: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., libraries: _Optional[_Iterable[_Union[Library, _Mapping]]] = ..., instruction_set: _Optional[str] = ..., num_threads: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...

class Library(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class Evaluation(_message.Message):
    __slots__ = ("protocol", "split", "fields", "results")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    protocol: str
    split: str
    fields: _struct_pb2.Struct
    results: _containers.RepeatedCompositeFieldContainer[ScorerResult]
    def __init__(self, protocol: _Optional[str] = ..., split: _Optional[str] = ..., fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., results: _Optional[_Iterable[_Union[ScorerResult, _Mapping]]] = ...) -> None: ...

class ScorerResult(_message.Message):
    __slots__ = ("scorer", "metrics")
    SCORER_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    scorer: str
    metrics: _containers.RepeatedCompositeFieldContainer[MetricValue]
    def __init__(self, scorer: _Optional[str] = ..., metrics: _Optional[_Iterable[_Union[MetricValue, _Mapping]]] = ...) -> None: ...

class MetricValue(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class Items(_message.Message):
    __slots__ = ("num_items", "numeric")
    NUM_ITEMS_FIELD_NUMBER: _ClassVar[int]
    NUMERIC_FIELD_NUMBER: _ClassVar[int]
    num_items: int
    numeric: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, num_items: _Optional[int] = ..., numeric: _Optional[_Iterable[str]] = ...) -> None: ...

class Space(_message.Message):
    __slots__ = ("name", "metric", "dimensions")
    NAME_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    metric: Metric
    dimensions: int
    def __init__(self, name: _Optional[str] = ..., metric: _Optional[_Union[Metric, str]] = ..., dimensions: _Optional[int] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("name", "family", "weight", "training", "item_scores", "item_matrix", "user_vector", "user_neighbours", "candidate_scorer")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    ITEM_SCORES_FIELD_NUMBER: _ClassVar[int]
    ITEM_MATRIX_FIELD_NUMBER: _ClassVar[int]
    USER_VECTOR_FIELD_NUMBER: _ClassVar[int]
    USER_NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_SCORER_FIELD_NUMBER: _ClassVar[int]
    name: str
    family: str
    weight: float
    training: _struct_pb2.Struct
    item_scores: ItemScores
    item_matrix: ItemMatrix
    user_vector: UserVector
    user_neighbours: UserNeighbours
    candidate_scorer: CandidateScorer
    def __init__(self, name: _Optional[str] = ..., family: _Optional[str] = ..., weight: _Optional[float] = ..., training: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., item_scores: _Optional[_Union[ItemScores, _Mapping]] = ..., item_matrix: _Optional[_Union[ItemMatrix, _Mapping]] = ..., user_vector: _Optional[_Union[UserVector, _Mapping]] = ..., user_neighbours: _Optional[_Union[UserNeighbours, _Mapping]] = ..., candidate_scorer: _Optional[_Union[CandidateScorer, _Mapping]] = ...) -> None: ...

class ItemScores(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ItemMatrix(_message.Message):
    __slots__ = ("history",)
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    history: HistoryWeights
    def __init__(self, history: _Optional[_Union[HistoryWeights, _Mapping]] = ...) -> None: ...

class HistoryWeights(_message.Message):
    __slots__ = ("max_items", "decay_per_step", "half_life_days", "normalise")
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    DECAY_PER_STEP_FIELD_NUMBER: _ClassVar[int]
    HALF_LIFE_DAYS_FIELD_NUMBER: _ClassVar[int]
    NORMALISE_FIELD_NUMBER: _ClassVar[int]
    max_items: int
    decay_per_step: float
    half_life_days: float
    normalise: bool
    def __init__(self, max_items: _Optional[int] = ..., decay_per_step: _Optional[float] = ..., half_life_days: _Optional[float] = ..., normalise: _Optional[bool] = ...) -> None: ...

class UserVector(_message.Message):
    __slots__ = ("space", "graph", "mean")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    space: str
    graph: Graph
    mean: HistoryWeights
    def __init__(self, space: _Optional[str] = ..., graph: _Optional[_Union[Graph, _Mapping]] = ..., mean: _Optional[_Union[HistoryWeights, _Mapping]] = ...) -> None: ...

class UserNeighbours(_message.Message):
    __slots__ = ("history", "num_neighbours")
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    NUM_NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    history: HistoryWeights
    num_neighbours: int
    def __init__(self, history: _Optional[_Union[HistoryWeights, _Mapping]] = ..., num_neighbours: _Optional[int] = ...) -> None: ...

class CandidateScorer(_message.Message):
    __slots__ = ("graph",)
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    graph: Graph
    def __init__(self, graph: _Optional[_Union[Graph, _Mapping]] = ...) -> None: ...

class Graph(_message.Message):
    __slots__ = ("inputs", "output", "max_history")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    MAX_HISTORY_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[GraphInput]
    output: str
    max_history: int
    def __init__(self, inputs: _Optional[_Iterable[_Union[GraphInput, _Mapping]]] = ..., output: _Optional[str] = ..., max_history: _Optional[int] = ...) -> None: ...

class GraphInput(_message.Message):
    __slots__ = ("name", "feature")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    feature: str
    def __init__(self, name: _Optional[str] = ..., feature: _Optional[str] = ...) -> None: ...

class Ranker(_message.Message):
    __slots__ = ("graph", "heads", "training")
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    graph: Graph
    heads: _containers.RepeatedCompositeFieldContainer[RankerHead]
    training: _struct_pb2.Struct
    def __init__(self, graph: _Optional[_Union[Graph, _Mapping]] = ..., heads: _Optional[_Iterable[_Union[RankerHead, _Mapping]]] = ..., training: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class RankerHead(_message.Message):
    __slots__ = ("name", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    weight: float
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Rerank(_message.Message):
    __slots__ = ("space",)
    SPACE_FIELD_NUMBER: _ClassVar[int]
    space: str
    def __init__(self, space: _Optional[str] = ...) -> None: ...

class PackageFile(_message.Message):
    __slots__ = ("path", "role", "num_bytes", "sha256")
    PATH_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NUM_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    path: str
    role: str
    num_bytes: int
    sha256: str
    def __init__(self, path: _Optional[str] = ..., role: _Optional[str] = ..., num_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class Golden(_message.Message):
    __slots__ = ("tolerance", "requests")
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    tolerance: float
    requests: _containers.RepeatedCompositeFieldContainer[GoldenRequest]
    def __init__(self, tolerance: _Optional[float] = ..., requests: _Optional[_Iterable[_Union[GoldenRequest, _Mapping]]] = ...) -> None: ...

class GoldenRequest(_message.Message):
    __slots__ = ("history", "k", "sources", "fused", "ranked")
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    FUSED_FIELD_NUMBER: _ClassVar[int]
    RANKED_FIELD_NUMBER: _ClassVar[int]
    history: _containers.RepeatedCompositeFieldContainer[GoldenEvent]
    k: int
    sources: _containers.RepeatedCompositeFieldContainer[GoldenSource]
    fused: GoldenList
    ranked: GoldenList
    def __init__(self, history: _Optional[_Iterable[_Union[GoldenEvent, _Mapping]]] = ..., k: _Optional[int] = ..., sources: _Optional[_Iterable[_Union[GoldenSource, _Mapping]]] = ..., fused: _Optional[_Union[GoldenList, _Mapping]] = ..., ranked: _Optional[_Union[GoldenList, _Mapping]] = ...) -> None: ...

class GoldenEvent(_message.Message):
    __slots__ = ("item_id", "timestamp")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    timestamp: int
    def __init__(self, item_id: _Optional[str] = ..., timestamp: _Optional[int] = ...) -> None: ...

class GoldenSource(_message.Message):
    __slots__ = ("name", "list")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    name: str
    list: GoldenList
    def __init__(self, name: _Optional[str] = ..., list: _Optional[_Union[GoldenList, _Mapping]] = ...) -> None: ...

class GoldenList(_message.Message):
    __slots__ = ("item_ids", "scores")
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    scores: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, item_ids: _Optional[_Iterable[str]] = ..., scores: _Optional[_Iterable[float]] = ...) -> None: ...
