# mypy: disallow-any-generics=False
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Availability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AVAILABILITY_UNSPECIFIED: _ClassVar[Availability]
    AVAILABILITY_AVAILABLE: _ClassVar[Availability]
    AVAILABILITY_ANY: _ClassVar[Availability]

class SeenPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEEN_POLICY_UNSPECIFIED: _ClassVar[SeenPolicy]
    SEEN_POLICY_EXCLUDE: _ClassVar[SeenPolicy]
    SEEN_POLICY_EXCLUDE_PURCHASED: _ClassVar[SeenPolicy]
    SEEN_POLICY_INCLUDE: _ClassVar[SeenPolicy]
AVAILABILITY_UNSPECIFIED: Availability
AVAILABILITY_AVAILABLE: Availability
AVAILABILITY_ANY: Availability
SEEN_POLICY_UNSPECIFIED: SeenPolicy
SEEN_POLICY_EXCLUDE: SeenPolicy
SEEN_POLICY_EXCLUDE_PURCHASED: SeenPolicy
SEEN_POLICY_INCLUDE: SeenPolicy

class Filters(_message.Message):
    __slots__ = ("allow_item_ids", "deny_item_ids", "categories_any", "categories_all", "categories_none", "ranges", "availability", "seen_policy")
    ALLOW_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    DENY_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_ANY_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_ALL_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_NONE_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    AVAILABILITY_FIELD_NUMBER: _ClassVar[int]
    SEEN_POLICY_FIELD_NUMBER: _ClassVar[int]
    allow_item_ids: _containers.RepeatedScalarFieldContainer[str]
    deny_item_ids: _containers.RepeatedScalarFieldContainer[str]
    categories_any: _containers.RepeatedScalarFieldContainer[str]
    categories_all: _containers.RepeatedScalarFieldContainer[str]
    categories_none: _containers.RepeatedScalarFieldContainer[str]
    ranges: _containers.RepeatedCompositeFieldContainer[NumericRange]
    availability: Availability
    seen_policy: SeenPolicy
    def __init__(self, allow_item_ids: _Optional[_Iterable[str]] = ..., deny_item_ids: _Optional[_Iterable[str]] = ..., categories_any: _Optional[_Iterable[str]] = ..., categories_all: _Optional[_Iterable[str]] = ..., categories_none: _Optional[_Iterable[str]] = ..., ranges: _Optional[_Iterable[_Union[NumericRange, _Mapping]]] = ..., availability: _Optional[_Union[Availability, str]] = ..., seen_policy: _Optional[_Union[SeenPolicy, str]] = ...) -> None: ...

class NumericRange(_message.Message):
    __slots__ = ("attribute", "minimum", "maximum")
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    attribute: str
    minimum: float
    maximum: float
    def __init__(self, attribute: _Optional[str] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ...) -> None: ...

class Boost(_message.Message):
    __slots__ = ("item_id", "category", "range", "amount")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    category: str
    range: NumericRange
    amount: float
    def __init__(self, item_id: _Optional[str] = ..., category: _Optional[str] = ..., range: _Optional[_Union[NumericRange, _Mapping]] = ..., amount: _Optional[float] = ...) -> None: ...
