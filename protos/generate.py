"""Generates the Python code of the contract from `shortlist/v1/*.proto`.

`python protos/generate.py` rewrites `shortlist/v1/*_pb2*.py(i)`; with `--check` it only compares, and exits with 1
when a committed file is stale. protoc writes everything but the typed stubs of the services
(`*_pb2_grpc.pyi`), which it has no plugin for: those are written here from the descriptors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

PROTOS_DIRECTORY = Path(__file__).resolve().parent
PACKAGE_PATH = Path("shortlist/v1")
# protoc writes bare generics (`Mapping`), which strict mypy refuses even in a stub.
STUB_HEADER = "# mypy: disallow-any-generics=False\n"


def compile_protos(out: Path) -> FileDescriptorSet:
    """Runs protoc into `out` and returns the descriptors, with comments. Raises RuntimeError when protoc fails."""
    sources = sorted(path.as_posix() for path in _relative(PROTOS_DIRECTORY, "*.proto"))
    descriptors_path = out / "descriptors.binpb"
    arguments = [
        "protoc",
        f"-I{PROTOS_DIRECTORY}",
        f"-I{Path(grpc_tools.__file__).parent / '_proto'}",  # google/protobuf/*.proto
        f"--python_out={out}",
        f"--pyi_out={out}",
        f"--grpc_python_out={out}",
        f"--descriptor_set_out={descriptors_path}",
        "--include_source_info",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError(f"protoc failed on {', '.join(sources)}")
    descriptors = FileDescriptorSet.FromString(descriptors_path.read_bytes())
    descriptors_path.unlink()
    return descriptors


def generate(out: Path) -> None:
    """Writes every generated file of the contract below the directory `out`."""
    for file in compile_protos(out).file:
        base = out / file.name.removesuffix(".proto")
        stub = base.with_name(f"{base.name}_pb2.pyi")
        stub.write_text(STUB_HEADER + stub.read_text(encoding="utf-8"), encoding="utf-8")
        services = base.with_name(f"{base.name}_pb2_grpc.py")
        if file.service:
            services.with_suffix(".pyi").write_text(service_stubs(file), encoding="utf-8")
        else:
            services.unlink()


def service_stubs(file: FileDescriptorProto) -> str:
    """The typed stub (.pyi) of a file's services: caller's and servicer's classes, sync and async."""
    module = f"{Path(file.name).stem}_pb2"
    lines = [
        '"""Generated from the descriptors by protos/generate.py. DO NOT EDIT."""',
        "",
        "from typing import Any, type_check_only",
        "",
        "import grpc",
        "import grpc.aio",
        "",
        f"from shortlist.v1 import {module}",
    ]
    for service in file.service:
        lines += _caller_class(service, module, f"{service.name}Stub", "grpc", "grpc.Channel | grpc.aio.Channel")
        # There is one class at run time; only type checkers tell the two kinds of channel apart.
        lines += _caller_class(service, module, f"{service.name}AsyncStub", "grpc.aio", "grpc.aio.Channel")
        lines += _servicer_class(service, module)
    return "\n".join(lines) + "\n"


def _caller_class(service: ServiceDescriptorProto, module: str, name: str, package: str, channel: str) -> list[str]:
    decorator = ["@type_check_only"] if name.endswith("AsyncStub") else []
    lines = ["", *decorator, f"class {name}:", f"    def __init__(self, channel: {channel}) -> None: ..."]
    for method in service.method:
        request, reply = _types(method, module)
        lines.append(f"    {method.name}: {package}.{_kind(method)}MultiCallable[{request}, {reply}]")
    return lines


def _servicer_class(service: ServiceDescriptorProto, module: str) -> list[str]:
    name = f"{service.name}Servicer"
    lines = ["", f"class {name}:"]
    for method in service.method:
        # Any: a servicer may be sync or async, so only the type of a unary request is known.
        request = "request_iterator: Any" if method.client_streaming else f"request: {_types(method, module)[0]}"
        lines.append(f"    def {method.name}(self, {request}, context: Any) -> Any: ...")
    lines += ["", f"def add_{name}_to_server(servicer: {name}, server: grpc.Server | grpc.aio.Server) -> None: ..."]
    return lines


def _kind(method: MethodDescriptorProto) -> str:
    request = "Stream" if method.client_streaming else "Unary"
    return request + ("Stream" if method.server_streaming else "Unary")


def _types(method: MethodDescriptorProto, module: str) -> tuple[str, str]:
    return f"{module}.{method.input_type.split('.')[-1]}", f"{module}.{method.output_type.split('.')[-1]}"


def _relative(root: Path, pattern: str) -> set[Path]:
    return {path.relative_to(root) for path in (root / PACKAGE_PATH).glob(pattern)}


def stale_files(fresh: Path) -> list[str]:
    """The generated files, relative to protos/, which differ from those below `fresh`, are missing or left over."""
    paths = _relative(fresh, "*_pb2*.py*") | _relative(PROTOS_DIRECTORY, "*_pb2*.py*")
    return sorted(path.as_posix() for path in paths if _content(fresh / path) != _content(PROTOS_DIRECTORY / path))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def main() -> int:
    """Generates or checks; returns the exit code."""
    parser = argparse.ArgumentParser(description="Generate the Python code of the contract.")
    parser.add_argument("--check", action="store_true", help="compare only; exit with 1 when a file is stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory)
        generate(fresh)
        stale = stale_files(fresh)
        for name in stale:
            print(f"stale: protos/{name}" if check else f"wrote: protos/{name}")
        if not check:
            _replace(fresh, stale)
    return 1 if check and stale else 0


def _replace(fresh: Path, names: list[str]) -> None:
    for name in names:
        target = PROTOS_DIRECTORY / name
        if (fresh / name).exists():
            target.write_bytes((fresh / name).read_bytes())
        else:
            target.unlink()


if __name__ == "__main__":
    sys.exit(main())
