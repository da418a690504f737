"""The files of a package directory: nothing missing, nothing extra, nothing changed, nothing outside."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from shortlist_server.catalog.manifest import Manifest
from shortlist_server.catalog.manifest_parts import MANIFEST_FILE, FileEntry
from shortlist_server.errors import PackageError

MAX_DOCUMENT_BYTES: Final = 64 * 2**20


def read_manifest_bytes(root: Path) -> bytes:
    """The bytes of manifest.json in this directory; PackageError when there is no such directory or file."""
    if not root.is_dir():
        raise PackageError(str(root), "no such directory" if not root.exists() else "not a directory")
    return read_document(root, MANIFEST_FILE)


def read_document(root: Path, path: str) -> bytes:
    """The bytes of a JSON file of the package; PackageError when it cannot be read or is too large to be one."""
    file = locate(root, path)
    try:
        size = file.stat().st_size
        if size > MAX_DOCUMENT_BYTES:
            raise PackageError(path, f"has {size} bytes, more than {MAX_DOCUMENT_BYTES}")
        return file.read_bytes()
    except OSError as error:
        raise PackageError(path, str(error.strerror)) from None


def verify_files(root: Path, manifest: Manifest) -> None:
    """Raise PackageError for the first listed file that is missing, is not a plain file inside `root`, or differs in
    size or sha256, and for the first file present but not listed.
    """
    for entry in manifest.files:
        _verify_file(locate(root, entry.path), entry)
    listed = {entry.path for entry in manifest.files} | {MANIFEST_FILE}
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = (Path(folder) / name).relative_to(root).as_posix()
            if path not in listed:
                raise PackageError(path, f"not listed in {MANIFEST_FILE}")


def locate(root: Path, path: str) -> Path:
    """The file that a listed path means, links followed; PackageError unless it is a plain file inside `root`."""
    try:
        target = (root / path).resolve(strict=True)
    except (OSError, RuntimeError):
        raise PackageError(path, "missing") from None
    if not target.is_relative_to(root.resolve()):
        raise PackageError(path, "a link that leaves the package")
    if not target.is_file():
        raise PackageError(path, "not a plain file")
    return target


def _verify_file(file: Path, entry: FileEntry) -> None:
    try:
        size = file.stat().st_size
        if size != entry.bytes:
            raise PackageError(entry.path, f"has {size} bytes, the manifest says {entry.bytes}")
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PackageError(entry.path, str(error.strerror)) from None
    if digest != entry.sha256:
        raise PackageError(entry.path, f"sha256 is {digest[:12]}..., the manifest says {entry.sha256[:12]}...")
