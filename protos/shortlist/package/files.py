"""The files of a package directory: nothing missing, nothing extra, nothing changed, nothing outside."""

import hashlib
import os
from pathlib import Path
from typing import Final

from shortlist.package.documents import MAX_DOCUMENT_BYTES
from shortlist.package.errors import PackageError
from shortlist.package.layout import GOLDEN, MANIFEST
from shortlist.package.manifest import parse_golden, parse_manifest
from shortlist.v1.manifest_pb2 import Golden, Manifest, PackageFile

MAX_FILES: Final = 10_000  # of a directory that is walked before anything in it is trusted


def read_manifest(root: Path) -> Manifest:
    """The manifest of the package in this directory; PackageError when there is none or it is not sound."""
    if not root.is_dir():
        raise PackageError(str(root), "not a directory" if root.exists() else "no such directory")
    return parse_manifest(read_document(root, MANIFEST))


def read_golden(root: Path) -> Golden:
    """The golden requests of the package in this directory; PackageError when they are not sound."""
    return parse_golden(read_document(root, GOLDEN))


def read_document(root: Path, path: str) -> bytes:
    """The bytes of a JSON file of the package, at most one more than it may have; PackageError when unreadable."""
    file = locate(root, path)
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_DOCUMENT_BYTES + 1)  # whoever parses it refuses more than the limit
    except OSError as error:
        raise PackageError(path, str(error.strerror)) from None


def verify_files(root: Path, manifest: Manifest) -> None:
    """Raise PackageError for the first listed file that is missing, is not a plain file inside `root`, or differs in
    size or checksum, and for the first file present but not listed.
    """
    listed = {entry.path for entry in manifest.files} | {MANIFEST}
    num_files = 0
    for folder, folders, names in os.walk(root):
        num_files += len(names)
        if num_files > MAX_FILES:
            raise PackageError(MANIFEST, f"the directory holds more than {MAX_FILES} files")
        here = Path(folder)
        for name in sorted([*names, *(name for name in folders if (here / name).is_symlink())]):
            path = (here / name).relative_to(root).as_posix()
            if path not in listed:
                raise PackageError(path, f"not listed in {MANIFEST}")
    for entry in manifest.files:
        _verify_file(locate(root, entry.path), entry)


def locate(root: Path, path: str) -> Path:
    """The file that a listed path means, links followed; PackageError unless it is a plain file inside `root`."""
    try:
        target = (root / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise PackageError(path, "missing") from None
    if not target.is_relative_to(root.resolve()):
        raise PackageError(path, "a link that leaves the package")
    if not target.is_file():
        raise PackageError(path, "not a plain file")
    return target


def require_listed(manifest: Manifest, paths: tuple[str, ...]) -> None:
    """Raise PackageError for the first of these paths that the manifest does not list, and so nobody verified."""
    listed = {entry.path for entry in manifest.files}
    for path in paths:
        if path not in listed:
            raise PackageError(MANIFEST, f"files: {path!r} is used but not listed")


def file_entry(root: Path, path: str, role: str) -> PackageFile:
    """The manifest's entry for a file that lies in the package."""
    file = root / path
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PackageFile(path=path, role=role, num_bytes=file.stat().st_size, sha256=digest)


def _verify_file(file: Path, entry: PackageFile) -> None:
    try:
        size = file.stat().st_size
        if size != entry.num_bytes:
            raise PackageError(entry.path, f"has {size} bytes, the manifest says {entry.num_bytes}")
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PackageError(entry.path, str(error.strerror)) from None
    if digest != entry.sha256:
        raise PackageError(entry.path, f"sha256 is {digest[:12]}..., the manifest says {entry.sha256[:12]}...")
