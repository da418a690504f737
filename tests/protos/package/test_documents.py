import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.package import PackageError
from shortlist.package.documents import MAX_DOCUMENT_BYTES, to_json, to_message
from shortlist.package.manifest import parse_manifest
from shortlist.v1.manifest_pb2 import Golden, Manifest
from tests.protos.package.small_package import Place, document, edited, small_golden, small_manifest


def refusal(text: bytes) -> str:
    with pytest.raises(PackageError) as caught:
        parse_manifest(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "is a JSON list, not an object"),
        (b"null", "is a JSON NoneType, not an object"),
        (b'"schema_version"', "is a JSON str, not an object"),
        (b'{"schema_version": 2', "not JSON"),
        (b"\xff\xfe{\0}\0", "not JSON"),
        ('{"schema_version": 2}'.encode("utf-16"), "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"schema_version": 2, "id": "a", "id": "b"}', "not JSON: 'id' is given more than once in one object"),
        (b'{"schema_version": 2, "items": {"num_items": 1, "num_items": 2}}', "'num_items' is given more than once"),
        (b'{"schema_version": 2, "num_candidates": NaN}', "not JSON: NaN is not a number of JSON"),
        (b'{"schema_version": 2, "num_candidates": -Infinity}', "not JSON: -Infinity is not a number of JSON"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
    ],
)
def test_what_is_no_json_object_is_refused_in_one_line(text: bytes, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize("depth", [50, 51, 99, 100, 300])
def test_settings_that_are_nested_too_deep_are_named(depth: int) -> None:
    def text(depth: int) -> bytes:
        deep = json.loads('{"a":' * depth + "1" + "}" * depth)
        return json.dumps(edited(document(), ("sources", 0, "training"), deep)).encode()

    parse_manifest(text(20))
    assert "sources[0].training: {'a': {" in refusal(text(depth))
    assert "is not an object of plain values, a few levels deep" in refusal(text(depth))


def test_json_of_100_megabytes_is_refused_before_it_is_parsed() -> None:
    assert refusal(b'{"a":"' + b"x" * 100_000_000 + b'"}') == f"manifest.json: has more than {MAX_DOCUMENT_BYTES} bytes"


def descriptors(descriptor: Any) -> Iterator[Any]:
    """A message of the format and all that it is made of, those of protobuf left out."""
    yield descriptor
    for field in descriptor.fields:
        if field.message_type is not None and not field.message_type.full_name.startswith("google."):
            yield from descriptors(field.message_type)


@pytest.mark.parametrize("kind", [Manifest, Golden])
def test_a_value_of_no_type_is_refused_for_every_field_of_the_format(kind: type[Manifest | Golden]) -> None:
    """A list in a list fits no field; a type of field that the errors have no words for would raise another error."""
    for descriptor in descriptors(kind.DESCRIPTOR):
        for field in descriptor.fields:
            message = GetMessageClass(descriptor)()
            with pytest.raises(PackageError, match=rf"^x: {field.name}"):
                to_message({field.name: [[[]]]}, message, "x")


def test_a_line_of_a_hostile_document_is_short_and_printable() -> None:
    line = refusal(json.dumps(edited(document(), ("x\x1b[2J" * 1000,), 1)).encode())
    assert len(line) <= 500
    assert line.isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(whole: Any, path: Place = ()) -> list[Place]:
    """The way to every value of a document, its own left out."""
    steps = list(whole.items() if isinstance(whole, dict) else enumerate(whole) if isinstance(whole, list) else ())
    return [place for step, part in steps for place in ((*path, step), *places(part, (*path, step)))]


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_value_anywhere_is_accepted_or_refused_by_a_package_error(data: st.DataObject) -> None:
    whole = document()
    changed = edited(whole, data.draw(st.sampled_from(places(whole))), data.draw(JSON))
    try:
        manifest = parse_manifest(json.dumps(changed).encode())
    except PackageError as error:
        assert str(error).startswith("manifest.json: ")  # noqa: PT017 - it may be accepted, too
    else:
        assert parse_manifest(to_json(manifest)) == manifest


def test_what_json_cannot_hold_is_a_value_error() -> None:
    manifest = small_manifest()
    manifest.training.settings["rate"] = math.nan
    with pytest.raises(ValueError, match=r"(?i)nan"):
        to_json(manifest)


def test_json_names_fields_as_the_proto_does() -> None:
    assert "item_ids" in json.loads(to_json(small_golden()))["requests"][0]["fused"]
    assert json_format.Parse(to_json(small_golden()), Golden()) == small_golden()
