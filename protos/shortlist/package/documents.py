"""JSON documents to and from their messages: strict, bounded, and every refusal one line that names the field."""

import json
from reprlib import Repr
from typing import Any, Final, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from shortlist.package.errors import PackageError

MAX_DOCUMENT_BYTES: Final = 4 << 20  # parsed JSON takes up to 100 times its bytes, and a manifest needs a few kB

MessageT = TypeVar("MessageT", bound=Message)

# What JSON has to hold for a field, in the words of an error.
_WANTED: Final = {
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_INT32: "a whole number of 32 bits",
    FieldDescriptor.CPPTYPE_INT64: "a whole number of 64 bits",
    FieldDescriptor.CPPTYPE_STRING: "text",
}
# Messages whose JSON is not an object of their fields.
_WANTED_KNOWN: Final = {
    "google.protobuf.Struct": "an object of plain values, a few levels deep",
    "google.protobuf.Timestamp": "a time like 2026-01-31T12:00:00Z",
}
_repr: Final = Repr()
_repr.maxstring = _repr.maxother = 80


def to_json(message: Message) -> bytes:
    """The message as indented JSON, with the field names of the .proto file.

    ValueError when it holds what JSON cannot, such as NaN among the settings of a training.
    """
    try:
        text = json_format.MessageToJson(message, preserving_proto_field_name=True, indent=1, ensure_ascii=False)
    except json_format.SerializeToJsonError as error:
        raise ValueError(str(error)) from error
    return f"{text}\n".encode()


def read_object(text: bytes, file: str) -> dict[str, Any]:
    """The JSON object in these bytes of UTF-8; PackageError for anything else, and for a key that is given twice."""
    if len(text) > MAX_DOCUMENT_BYTES:
        raise PackageError(file, f"has more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise PackageError(file, f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise PackageError(file, f"is a JSON {type(document).__name__}, not an object")
    return document


def to_message(document: dict[str, Any], message: MessageT, file: str) -> MessageT:
    """The message, filled with the document. PackageError names the first field that does not fit, and its value."""
    if not _is_taken(document, message):
        raise PackageError(file, _fault("", document, type(message)))
    return message


def shown(value: object) -> str:
    """Any value of JSON, however long or deep, in a few characters."""
    return _repr.repr(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in pairs:
        if name in document:
            raise ValueError(f"{shown(name)} is given more than once in one object")
        document[name] = value
    return document


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _is_taken(document: dict[str, Any], message: Message) -> bool:
    try:
        json_format.ParseDict(document, message)
    except Exception:  # noqa: BLE001 - hostile values make it raise OverflowError and others beside its ParseError
        return False
    return True


def _fault(path: str, value: Any, kind: type[Message]) -> str:
    """What protobuf refuses about the JSON of a message: it is asked again about ever smaller parts, down to a field.

    Its own errors repeat the way to the field in three forms, and for some fields not at all.
    """
    if not isinstance(value, dict):
        return f"{path}: {shown(value)} is not an object"
    descriptor = kind.DESCRIPTOR
    fields: dict[str, Any] = {name: field for field in descriptor.fields for name in (field.json_name, field.name)}
    for name, part in value.items():
        inner = f"{path}.{name}" if path else name
        if name not in fields:
            return f"{inner}: there is no such field"
        if not _is_taken({name: part}, kind()):
            return _field_fault(inner, part, fields[name], kind)
    for oneof in descriptor.oneofs:
        given = [name for name in value if fields[name] in oneof.fields]
        if len(given) > 1:
            return f"{path}: {' and '.join(given)} exclude each other"
    return f"{path or descriptor.name}: is nested too deep"


def _field_fault(path: str, value: Any, field: FieldDescriptor, kind: type[Message]) -> str:
    if not field.is_repeated:
        return _value_fault(path, value, field)
    if not isinstance(value, list):
        return f"{path}: {shown(value)} is not a list"
    for index, entry in enumerate(value):
        if not _is_taken({field.name: [entry]}, kind()):
            return _value_fault(f"{path}[{index}]", entry, field)
    return f"{path}: is nested too deep"


def _value_fault(path: str, value: Any, field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        wanted = f"one of {', '.join(field.enum_type.values_by_name)}"
    elif field.message_type is None:
        wanted = _WANTED[field.cpp_type]
    elif field.message_type.full_name in _WANTED_KNOWN:
        wanted = _WANTED_KNOWN[field.message_type.full_name]
    else:
        return _fault(path, value, GetMessageClass(field.message_type))
    return f"{path}: {shown(value)} is not {wanted}"
