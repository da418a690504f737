# mypy: disallow-any-generics=False
from shortlist.v1 import answer_pb2 as _answer_pb2
from shortlist.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchRequest(_message.Message):
    __slots__ = ("space", "queries", "k", "allow_item_ids", "exclude_item_ids", "rows_only")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALLOW_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    ROWS_ONLY_FIELD_NUMBER: _ClassVar[int]
    space: str
    queries: _tensor_pb2.Tensor
    k: int
    allow_item_ids: _containers.RepeatedScalarFieldContainer[str]
    exclude_item_ids: _containers.RepeatedScalarFieldContainer[str]
    rows_only: bool
    def __init__(self, space: _Optional[str] = ..., queries: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., k: _Optional[int] = ..., allow_item_ids: _Optional[_Iterable[str]] = ..., exclude_item_ids: _Optional[_Iterable[str]] = ..., rows_only: _Optional[bool] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("scores", "rows", "item_ids", "package")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    scores: _tensor_pb2.Tensor
    rows: _tensor_pb2.Tensor
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    package: _answer_pb2.PackageVersion
    def __init__(self, scores: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., rows: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., item_ids: _Optional[_Iterable[str]] = ..., package: _Optional[_Union[_answer_pb2.PackageVersion, _Mapping]] = ...) -> None: ...
