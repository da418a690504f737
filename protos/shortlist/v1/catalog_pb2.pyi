# mypy: disallow-any-generics=False
from shortlist.v1 import answer_pb2 as _answer_pb2
from shortlist.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Item(_message.Message):
    __slots__ = ("item_id", "title", "price", "categories", "available", "popularity", "attributes", "vectors")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    POPULARITY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    title: str
    price: float
    categories: _containers.RepeatedScalarFieldContainer[str]
    available: bool
    popularity: float
    attributes: _containers.RepeatedCompositeFieldContainer[NumericAttribute]
    vectors: _containers.RepeatedCompositeFieldContainer[ItemVector]
    def __init__(self, item_id: _Optional[str] = ..., title: _Optional[str] = ..., price: _Optional[float] = ..., categories: _Optional[_Iterable[str]] = ..., available: _Optional[bool] = ..., popularity: _Optional[float] = ..., attributes: _Optional[_Iterable[_Union[NumericAttribute, _Mapping]]] = ..., vectors: _Optional[_Iterable[_Union[ItemVector, _Mapping]]] = ...) -> None: ...

class NumericAttribute(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class ItemVector(_message.Message):
    __slots__ = ("space", "vector")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    space: str
    vector: _tensor_pb2.Tensor
    def __init__(self, space: _Optional[str] = ..., vector: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ...) -> None: ...

class UpsertItemsRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    def __init__(self, items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ...) -> None: ...

class UpsertItemsResponse(_message.Message):
    __slots__ = ("num_added", "num_replaced")
    NUM_ADDED_FIELD_NUMBER: _ClassVar[int]
    NUM_REPLACED_FIELD_NUMBER: _ClassVar[int]
    num_added: int
    num_replaced: int
    def __init__(self, num_added: _Optional[int] = ..., num_replaced: _Optional[int] = ...) -> None: ...

class DeleteItemsRequest(_message.Message):
    __slots__ = ("item_ids",)
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, item_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteItemsResponse(_message.Message):
    __slots__ = ("num_deleted", "item_errors")
    NUM_DELETED_FIELD_NUMBER: _ClassVar[int]
    ITEM_ERRORS_FIELD_NUMBER: _ClassVar[int]
    num_deleted: int
    item_errors: _containers.RepeatedCompositeFieldContainer[_answer_pb2.ItemError]
    def __init__(self, num_deleted: _Optional[int] = ..., item_errors: _Optional[_Iterable[_Union[_answer_pb2.ItemError, _Mapping]]] = ...) -> None: ...

class GetItemsRequest(_message.Message):
    __slots__ = ("item_ids", "include_vectors")
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_VECTORS_FIELD_NUMBER: _ClassVar[int]
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    include_vectors: bool
    def __init__(self, item_ids: _Optional[_Iterable[str]] = ..., include_vectors: _Optional[bool] = ...) -> None: ...

class GetItemsResponse(_message.Message):
    __slots__ = ("items", "item_errors")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ERRORS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    item_errors: _containers.RepeatedCompositeFieldContainer[_answer_pb2.ItemError]
    def __init__(self, items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., item_errors: _Optional[_Iterable[_Union[_answer_pb2.ItemError, _Mapping]]] = ...) -> None: ...

class SetAvailabilityRequest(_message.Message):
    __slots__ = ("item_ids", "available")
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    available: bool
    def __init__(self, item_ids: _Optional[_Iterable[str]] = ..., available: _Optional[bool] = ...) -> None: ...

class SetAvailabilityResponse(_message.Message):
    __slots__ = ("num_changed", "item_errors")
    NUM_CHANGED_FIELD_NUMBER: _ClassVar[int]
    ITEM_ERRORS_FIELD_NUMBER: _ClassVar[int]
    num_changed: int
    item_errors: _containers.RepeatedCompositeFieldContainer[_answer_pb2.ItemError]
    def __init__(self, num_changed: _Optional[int] = ..., item_errors: _Optional[_Iterable[_Union[_answer_pb2.ItemError, _Mapping]]] = ...) -> None: ...
