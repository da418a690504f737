"""The package directory: `Draft` writes one whole or not at all, `read_package` reads what evaluation needs.

Layout: manifest.json, items.parquet, models/<role>/model.onnx, vectors/<space>.npy, neighbours/<name>.npz, golden.json,
statistics.json. The manifest lists every other file with its size and sha256.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shortlist_kernels import Csr
from shortlist_training.errors import InputError

MANIFEST = "manifest.json"
ITEMS = "items.parquet"
_READ_KEYS = ("package_id", "data", "max_history", "sources", "num_candidates", "ranker")
_ITEM_COLUMNS = ("item_id", "title", "price", "categories", "available", "popularity")


class Draft:
    """A package being written beside its place, which `publish` renames it to; left before that, it is removed."""

    def __init__(self, target: Path) -> None:
        refuse_unless_replaceable(target)
        self.target = target
        self._roles: dict[str, str] = {}
        self._popularity_N: NDArray[np.float64] | None = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path = target.parent / f".{target.name}.{secrets.token_hex(4)}.partial"
            self.path.mkdir()
        except OSError as error:
            raise InputError(f"{target}: a package cannot be written there ({error.strerror})") from error

    def __enter__(self) -> "Draft":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def add(self, relative: str, role: str, write: Callable[[Path], object]) -> Path:
        """Let `write` make the file at this place of the package, and list it under `role`."""
        path = self.path / PurePosixPath(relative)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
        self._roles[relative] = role
        return path

    def add_json(self, relative: str, role: str, content: object) -> None:
        """Write a value as JSON; numbers must be finite."""
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        self.add(relative, role, lambda path: path.write_text(text + "\n", encoding="utf-8"))

    def add_vectors(self, space: str, vectors_ND: NDArray[np.float32]) -> None:
        """Write the vectors of a space, float32 in C order."""
        contiguous = np.ascontiguousarray(vectors_ND, dtype=np.float32)
        self.add(f"vectors/{space}.npy", "vectors", lambda path: np.save(path, contiguous, allow_pickle=False))

    def add_neighbours(self, name: str, similarities: Csr) -> None:
        """Write neighbour lists as CSR arrays."""
        arrays: dict[str, NDArray[Any]] = {
            "indptr": similarities.indptr.astype(np.int64),
            "indices": similarities.indices.astype(np.int32),
            "data": similarities.data.astype(np.float32),
        }
        self.add(f"neighbours/{name}.npz", "neighbours", lambda path: np.savez(path, allow_pickle=False, **arrays))

    def set_popularity(self, popularity_N: NDArray[np.float64]) -> None:
        """Give the column `popularity` of items.parquet."""
        self._popularity_N = popularity_N

    def add_items(self, items: pl.DataFrame) -> None:
        """Write items.parquet: sorted by item_id like the catalogue, categories as lists, numeric attributes."""
        assert self._popularity_N is not None
        attributes = [n for n, dtype in items.schema.items() if dtype == pl.Float64 and n not in _ITEM_COLUMNS]
        table = items.select(
            "item_id",
            "title",
            "price",
            pl.col("categories").str.split("|").list.filter(pl.element() != "").alias("categories"),
            "available",
            pl.Series("popularity", self._popularity_N),
            *attributes,
        )
        self.add(ITEMS, "items", table.write_parquet)

    def publish(self, manifest: Mapping[str, object]) -> None:
        """Write the manifest last, force all to disk, read every checksum back, and rename into place."""
        files = [{"path": path, "role": role, **_size_and_sum(self.path / path)} for path, role in self._roles.items()]
        self.add_json(MANIFEST, "manifest", {**manifest, "files": files})
        for folder, _, names in os.walk(self.path):
            for name in names:
                _sync(Path(folder) / name)
            _sync(Path(folder))
        verify(self.path)
        _replace(self.path, self.target)


def refuse_unless_replaceable(target: Path) -> None:
    """Raise InputError when something that is not a package lies at `target`."""
    if target.is_symlink() or (target.exists() and not (target.is_dir() and (target / MANIFEST).is_file())):
        raise InputError(f"{target}: exists and is not a model package; it is not overwritten")


def prepare_target(target: Path) -> None:
    """Say before work is spent, with an InputError, that a package could not be published at `target`."""
    refuse_unless_replaceable(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: a package cannot be written there ({error.strerror})") from error
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target}: a package cannot be written there (no permission)")


def verify(path: Path) -> dict[str, Any]:
    """Read every listed file back and compare size and sha256; return the manifest.

    Raises:
        InputError: no package, or the first file that is missing or differs.
    """
    manifest = _read_manifest(path)
    for entry in manifest["files"]:
        file = path / PurePosixPath(entry["path"])
        if not file.is_file() or not file.resolve().is_relative_to(path.resolve()):
            raise InputError(f"{path}: {entry['path']} is missing")
        if _size_and_sum(file) != {"bytes": entry["bytes"], "sha256": entry["sha256"]}:
            raise InputError(f"{path}: {entry['path']} does not have the checksum that the manifest states")
    return manifest


@dataclass(frozen=True, slots=True, eq=False)
class Package:
    """What evaluation reads of a package."""

    path: Path
    manifest: dict[str, Any]
    items: pl.DataFrame

    def vectors(self, space: str) -> NDArray[np.float32]:
        """The vectors of a space, float32 (N, D)."""
        vectors_ND: NDArray[np.float32] = np.load(self.path / "vectors" / f"{space}.npy", allow_pickle=False)
        return vectors_ND

    def neighbours(self, name: str) -> Csr:
        """The neighbour lists of that name."""
        with np.load(self.path / "neighbours" / f"{name}.npz", allow_pickle=False) as arrays:
            shape = (self.items.height, self.items.height)
            return Csr(arrays["indptr"], arrays["indices"], arrays["data"], shape)

    def model(self, role: str) -> Path:
        """The ONNX file of that role."""
        return self.path / "models" / role / "model.onnx"


def read_package(path: Path) -> Package:
    """Verify a package and open it; InputError says in one line what is wrong."""
    manifest = verify(path)
    for key in _READ_KEYS:
        if key not in manifest:
            raise InputError(f"{path / MANIFEST}: field {key!r} is missing")
    return Package(path, manifest, pl.read_parquet(path / ITEMS))


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise InputError(f"{path}: no such package directory")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: not a model package, it has no {MANIFEST}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path / MANIFEST}: not readable as JSON ({error})") from error
    if not _is_manifest(manifest):
        raise InputError(f"{path / MANIFEST}: not a manifest of schema version 1")
    return dict(manifest)


def _is_manifest(content: object) -> bool:
    """True when the content says version 1 and lists files as the format does."""
    if not isinstance(content, dict) or content.get("schema_version") != 1:
        return False
    files = content.get("files")
    keys = {"path": str, "role": str, "bytes": int, "sha256": str}
    return isinstance(files, list) and all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in keys.items())
        for entry in files
    )


def _size_and_sum(file: Path) -> dict[str, object]:
    with file.open("rb") as stream:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(draft: Path, target: Path) -> None:
    # rename() cannot replace a directory that has content: the old package steps aside first, and back on failure.
    aside: Path | None = None
    refuse_unless_replaceable(target)
    try:
        if target.exists():
            aside = target.parent / f".{target.name}.{secrets.token_hex(4)}.old"
            target.rename(aside)
        try:
            draft.rename(target)
        except OSError:
            if aside is not None:
                aside.rename(target)
            raise
        _sync(target.parent)
    except OSError as error:
        raise InputError(f"{target}: the finished package cannot be moved there ({error.strerror})") from error
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)
