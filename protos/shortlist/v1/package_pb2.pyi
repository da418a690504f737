# mypy: disallow-any-generics=False
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PackageState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PACKAGE_STATE_UNSPECIFIED: _ClassVar[PackageState]
    PACKAGE_STATE_ON_DISK: _ClassVar[PackageState]
    PACKAGE_STATE_LOADING: _ClassVar[PackageState]
    PACKAGE_STATE_READY: _ClassVar[PackageState]
    PACKAGE_STATE_ACTIVE: _ClassVar[PackageState]
    PACKAGE_STATE_DRAINING: _ClassVar[PackageState]
    PACKAGE_STATE_FAILED: _ClassVar[PackageState]
PACKAGE_STATE_UNSPECIFIED: PackageState
PACKAGE_STATE_ON_DISK: PackageState
PACKAGE_STATE_LOADING: PackageState
PACKAGE_STATE_READY: PackageState
PACKAGE_STATE_ACTIVE: PackageState
PACKAGE_STATE_DRAINING: PackageState
PACKAGE_STATE_FAILED: PackageState

class PackageDetails(_message.Message):
    __slots__ = ("name", "id", "state", "created_timestamp", "num_items", "sources", "spaces", "heads", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    NUM_ITEMS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: str
    state: PackageState
    created_timestamp: int
    num_items: int
    sources: _containers.RepeatedScalarFieldContainer[str]
    spaces: _containers.RepeatedCompositeFieldContainer[VectorSpace]
    heads: _containers.RepeatedScalarFieldContainer[str]
    error: str
    def __init__(self, name: _Optional[str] = ..., id: _Optional[str] = ..., state: _Optional[_Union[PackageState, str]] = ..., created_timestamp: _Optional[int] = ..., num_items: _Optional[int] = ..., sources: _Optional[_Iterable[str]] = ..., spaces: _Optional[_Iterable[_Union[VectorSpace, _Mapping]]] = ..., heads: _Optional[_Iterable[str]] = ..., error: _Optional[str] = ...) -> None: ...

class VectorSpace(_message.Message):
    __slots__ = ("name", "dimensions", "num_items")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    NUM_ITEMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    dimensions: int
    num_items: int
    def __init__(self, name: _Optional[str] = ..., dimensions: _Optional[int] = ..., num_items: _Optional[int] = ...) -> None: ...

class ListPackagesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPackagesResponse(_message.Message):
    __slots__ = ("packages",)
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    packages: _containers.RepeatedCompositeFieldContainer[PackageDetails]
    def __init__(self, packages: _Optional[_Iterable[_Union[PackageDetails, _Mapping]]] = ...) -> None: ...

class LoadPackageRequest(_message.Message):
    __slots__ = ("package", "activate")
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    ACTIVATE_FIELD_NUMBER: _ClassVar[int]
    package: str
    activate: bool
    def __init__(self, package: _Optional[str] = ..., activate: _Optional[bool] = ...) -> None: ...

class LoadPackageResponse(_message.Message):
    __slots__ = ("package",)
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    package: PackageDetails
    def __init__(self, package: _Optional[_Union[PackageDetails, _Mapping]] = ...) -> None: ...

class ActivatePackageRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class ActivatePackageResponse(_message.Message):
    __slots__ = ("package", "previous_package_id")
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package: PackageDetails
    previous_package_id: str
    def __init__(self, package: _Optional[_Union[PackageDetails, _Mapping]] = ..., previous_package_id: _Optional[str] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RollbackResponse(_message.Message):
    __slots__ = ("package",)
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    package: PackageDetails
    def __init__(self, package: _Optional[_Union[PackageDetails, _Mapping]] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("server_version", "active", "previous", "started_timestamp", "num_events", "kernels", "inference_provider")
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    STARTED_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    NUM_EVENTS_FIELD_NUMBER: _ClassVar[int]
    KERNELS_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    active: PackageDetails
    previous: PackageDetails
    started_timestamp: int
    num_events: int
    kernels: str
    inference_provider: str
    def __init__(self, server_version: _Optional[str] = ..., active: _Optional[_Union[PackageDetails, _Mapping]] = ..., previous: _Optional[_Union[PackageDetails, _Mapping]] = ..., started_timestamp: _Optional[int] = ..., num_events: _Optional[int] = ..., kernels: _Optional[str] = ..., inference_provider: _Optional[str] = ...) -> None: ...
