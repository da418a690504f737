"""The contract is lint-clean and every part of it says what it means."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

PROTOS = Path(__file__).parents[2] / "protos"
BUF = Path(sys.executable).with_name("buf")

# Numbers of the fields of FileDescriptorProto and of its parts, which a comment's path is made of.
MESSAGE, ENUM, SERVICE, FIELD, VALUE, METHOD = 4, 5, 6, 2, 2, 2
LABEL_REPEATED = FieldDescriptorProto.LABEL_REPEATED


def buf(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([BUF, *arguments], cwd=PROTOS, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """The descriptors of the contract, with comments."""
    image = tmp_path_factory.mktemp("buf") / "image.binpb"
    finished = buf("build", "--as-file-descriptor-set", "-o", str(image))
    assert finished.returncode == 0, finished.stderr
    descriptors = FileDescriptorSet.FromString(image.read_bytes())
    return [file for file in descriptors.file if file.package == "shortlist.v1"]


def comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {tuple(location.path): location.leading_comments.strip() for location in file.source_code_info.location}


def parts(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The name and the comment path of everything that a file defines."""
    for i, message in enumerate(file.message_type):
        yield message.name, (MESSAGE, i)
        yield from ((f"{message.name}.{field.name}", (MESSAGE, i, FIELD, j)) for j, field in enumerate(message.field))
    for i, enum in enumerate(file.enum_type):
        yield enum.name, (ENUM, i)
        yield from ((value.name, (ENUM, i, VALUE, j)) for j, value in enumerate(enum.value))
    for i, service in enumerate(file.service):
        yield service.name, (SERVICE, i)
        yield from ((method.name, (SERVICE, i, METHOD, j)) for j, method in enumerate(service.method))


def enums(files: list[FileDescriptorProto]) -> list[EnumDescriptorProto]:
    return [enum for file in files for enum in file.enum_type]


def sent_by_callers(files: list[FileDescriptorProto]) -> set[str]:
    """The full names of the messages that requests are made of."""
    messages = {f".{file.package}.{message.name}": message for file in files for message in file.message_type}
    waiting = [method.input_type for file in files for service in file.service for method in service.method]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [field.type_name for field in messages[name].field if field.type_name in messages]
    return found


def is_alternative(field: FieldDescriptorProto) -> bool:
    """Whether a field is a member of a oneof that the contract wrote (and `optional` did not make)."""
    return field.HasField("oneof_index") and not field.proto3_optional


def test_buf_lint_is_clean() -> None:
    finished = buf("lint")
    assert (finished.returncode, finished.stdout) == (0, "")


def test_buf_format_is_clean() -> None:
    finished = buf("format", "--diff", "--exit-code")
    assert (finished.returncode, finished.stdout) == (0, "")


def test_everything_is_documented(files: list[FileDescriptorProto]) -> None:
    assert len(files) >= len(list((PROTOS / "shortlist" / "v1").glob("*.proto"))) > 0
    undocumented = [name for file in files for name, path in parts(file) if not comments(file).get(path)]
    assert not undocumented


def test_no_message_or_enum_is_nested(files: list[FileDescriptorProto]) -> None:
    # parts() walks the top level only, so nesting would hide from the test above; it also makes clumsy Python.
    nested = [
        message.name for file in files for message in file.message_type if message.nested_type or message.enum_type
    ]
    assert not nested


def test_every_field_that_callers_send_says_what_happens_without_it_and_beyond(
    files: list[FileDescriptorProto],
) -> None:
    says_default = re.compile(r"Default|Required|as RecommendRequest\.|1\.\.\d+")
    sent = sent_by_callers(files)
    silent = [
        f"{message.name}.{field.name}"
        for file in files
        for i, message in enumerate(file.message_type)
        for j, field in enumerate(message.field)
        if f".{file.package}.{message.name}" in sent and not is_alternative(field)
        if not says_default.search(comments(file)[MESSAGE, i, FIELD, j])
    ]
    assert not silent


def test_every_list_that_callers_send_has_a_limit(files: list[FileDescriptorProto]) -> None:
    says_limit = re.compile(
        r"[Aa]t most|1\.\.\d+|as RecommendRequest\.|as long as|one a space|each at most once|given twice"
    )
    sent = sent_by_callers(files)
    unlimited = [
        f"{message.name}.{field.name}"
        for file in files
        for i, message in enumerate(file.message_type)
        for j, field in enumerate(message.field)
        if f".{file.package}.{message.name}" in sent and field.label == LABEL_REPEATED
        if not says_limit.search(comments(file)[MESSAGE, i, FIELD, j])
    ]
    assert not unlimited


def test_every_enum_starts_unspecified(files: list[FileDescriptorProto]) -> None:
    assert len(enums(files)) > 5
    for enum in enums(files):
        assert enum.value[0].number == 0
        assert enum.value[0].name.endswith("_UNSPECIFIED")


def test_no_map_stands_for_options(files: list[FileDescriptorProto]) -> None:
    def holds_map(message: DescriptorProto) -> bool:
        return any(nested.options.map_entry for nested in message.nested_type)

    assert not [message.name for file in files for message in file.message_type if holds_map(message)]


def test_every_method_has_its_own_request_and_response(files: list[FileDescriptorProto]) -> None:
    methods = [method for file in files for service in file.service for method in service.method]
    assert len(methods) >= 20
    for method in methods:
        assert method.input_type == f".shortlist.v1.{method.name}Request"
        assert method.output_type == f".shortlist.v1.{method.name}Response"


def test_buf_breaking_refuses_a_renumbered_field(tmp_path: Path) -> None:
    package = tmp_path / "shortlist" / "v1"
    package.mkdir(parents=True)
    (tmp_path / "buf.yaml").write_text((PROTOS / "buf.yaml").read_text())
    for proto in (PROTOS / "shortlist" / "v1").glob("*.proto"):
        (package / proto.name).write_text(proto.read_text().replace("string item_id = 2;", "string item_id = 9;"))
    finished = buf("breaking", str(tmp_path), "--against", str(PROTOS))
    assert finished.returncode != 0
    assert 'Previously present field "2"' in finished.stdout
