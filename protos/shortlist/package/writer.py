"""Draft: a package being written beside its place; it appears there whole, or not at all."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shortlist.package import layout
from shortlist.package.arrays import Sparse
from shortlist.package.errors import PackageError
from shortlist.package.files import file_entry, read_manifest, verify_files
from shortlist.package.manifest import manifest_faults, to_json
from shortlist.package.strings import text_column
from shortlist.v1.manifest_pb2 import Golden, Items, Manifest


class Draft:
    """A package in a hidden directory beside `target`; `publish` renames it to there. Left before, it is removed.

    N items. Raises PackageError when something that is no package lies at `target`, or nothing can be written there.
    """

    def __init__(self, target: Path) -> None:
        refuse_unless_replaceable(target)
        self.target = target
        self._roles: dict[str, str] = {}
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path = target.parent / f".{target.name}.{secrets.token_hex(4)}.partial"
            self.path.mkdir()
        except OSError as error:
            raise PackageError(str(target), f"a package cannot be written there ({error.strerror})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def add(self, path: str, role: str, write: Callable[[Path], object]) -> Path:
        """Let `write` make the file at this place of the package (see `layout`), and list it under `role`."""
        file = self.path / PurePosixPath(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file)
        self._roles[path] = role
        return file

    def add_array(self, path: str, role: str, array: NDArray[Any], dtype: DTypeLike) -> None:
        """Write an array as .npy of this type, in C order."""
        contiguous = np.ascontiguousarray(array, dtype)
        self.add(path, role, lambda file: np.save(file, contiguous, allow_pickle=False))

    def add_items(
        self,
        item_ids: Sequence[str],
        *,
        titles: Sequence[str] | None = None,
        available_N: NDArray[np.bool_] | None = None,
        categories: Sequence[Sequence[str]] | None = None,
        numeric: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> Items:
        """Write the catalogue and return its entry; ids sorted bytewise. Left out: no titles, all available, none."""
        num_items, attributes = len(item_ids), numeric or {}
        self._add_text(layout.ITEM_IDS, item_ids)
        self._add_text(layout.TITLES, [""] * num_items if titles is None else titles)
        available = np.ones(num_items, np.bool_) if available_N is None else available_N
        self.add_array(layout.AVAILABLE, "items", available, np.bool_)
        columns = np.array(list(attributes.values()), np.float64).reshape(len(attributes), num_items)
        self.add_array(layout.NUMERIC, "items", columns, np.float64)
        self._add_categories(categories or [()] * num_items)
        return Items(num_items=num_items, numeric=list(attributes))

    def add_scores(self, source: str, scores_N: NDArray[Any]) -> None:
        """Write the scores of a source of kind item_scores."""
        self.add_array(layout.scores_file(source), "scores", scores_N, np.float32)

    def add_matrix(self, source: str, matrix: Sparse) -> None:
        """Write the matrix of a source of kind item_matrix, items x items."""
        self._add_sparse(layout.matrix_folder(source), "matrix", matrix)

    def add_interactions(self, source: str, by_user: Sparse, by_item: Sparse) -> None:
        """Write the interactions of a source of kind user_neighbours, both ways round."""
        self._add_sparse(layout.interactions_folder(source), "interactions", by_user)
        self._add_sparse(layout.interactions_by_item_folder(source), "interactions", by_item)

    def add_graph(self, name: str, write: Callable[[Path], object]) -> Path:
        """Let `write` make the ONNX file of a source, or of the ranker under the name layout.RANKER."""
        return self.add(layout.graph_file(name), "model", write)

    def add_vectors(self, space: str, save: Callable[[Path], object]) -> Path:
        """Let `save`, which is `VectorIndex.save` of an index with rows as ids, make the file of a space."""
        return self.add(layout.vectors_file(space), "vectors", save)

    def add_golden(self, golden: Golden) -> None:
        """Write the golden requests."""
        self.add(layout.GOLDEN, "golden", lambda file: file.write_bytes(to_json(golden)))

    def finish(self, manifest: Manifest) -> None:
        """List the files in the manifest and write it: the directory is then a package, though not in its place yet.

        PackageError when the manifest is not sound in itself.
        """
        del manifest.files[:]
        manifest.schema_version = layout.SCHEMA_VERSION
        manifest.files.extend(file_entry(self.path, path, role) for path, role in self._roles.items())
        for fault in manifest_faults(manifest):
            raise PackageError(layout.MANIFEST, fault)
        (self.path / layout.MANIFEST).write_bytes(to_json(manifest))

    def publish(self, manifest: Manifest) -> None:
        """Finish, force everything to disk, read it back, and rename it into place; an older package there goes."""
        self.finish(manifest)
        for folder, _, names in os.walk(self.path):
            for name in names:
                _sync(Path(folder) / name)
            _sync(Path(folder))
        verify_files(self.path, read_manifest(self.path))
        _replace(self.path, self.target)

    def _add_text(self, column: str, texts: Iterable[str]) -> None:
        offsets_file, content_file = layout.text_files(column)
        offsets, content = text_column(texts)
        self.add_array(offsets_file, "items", offsets, np.int64)
        self.add_array(content_file, "items", content, np.uint8)

    def _add_categories(self, categories: Sequence[Sequence[str]]) -> None:
        names = sorted({name for of_item in categories for name in of_item}, key=str.encode)
        number_of = {name: number for number, name in enumerate(names)}
        rows = [sorted({number_of[name] for name in of_item}) for of_item in categories]
        indptr_file, indices_file, _ = layout.sparse_files(layout.CATEGORIES)
        self._add_text(layout.CATEGORY_NAMES, names)
        self.add_array(indptr_file, "items", np.cumsum([0, *map(len, rows)]), np.int64)
        self.add_array(indices_file, "items", np.array([number for row in rows for number in row]), np.int32)

    def _add_sparse(self, folder: str, role: str, matrix: Sparse) -> None:
        files = layout.sparse_files(folder)
        self.add_array(files[0], role, matrix.indptr, np.int64)
        self.add_array(files[1], role, matrix.indices, np.int32)
        self.add_array(files[2], role, matrix.data, np.float32)


def refuse_unless_replaceable(target: Path) -> None:
    """Raise PackageError when something that is not a package lies at `target`."""
    if target.is_symlink() or (target.exists() and not (target.is_dir() and (target / layout.MANIFEST).is_file())):
        raise PackageError(str(target), "exists and is not a model package; it is not overwritten")


def prepare_target(target: Path) -> None:
    """Say before work is spent, with a PackageError, that a package could not be published at `target`."""
    refuse_unless_replaceable(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PackageError(str(target), f"a package cannot be written there ({error.strerror})") from error
    if not os.access(target.parent, os.W_OK):
        raise PackageError(str(target), "a package cannot be written there (no permission)")


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
        raise PackageError(str(target), f"the finished package cannot be moved there ({error.strerror})") from error
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)
