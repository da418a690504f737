"""Draft: a package being written beside its place; it appears there whole, or not at all."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from google.protobuf.message import Message
from numpy.typing import DTypeLike, NDArray

from shortlist.package import layout
from shortlist.package.arrays import Sparse
from shortlist.package.documents import to_json
from shortlist.package.errors import PackageError
from shortlist.package.files import file_entry, read_manifest, verify_files
from shortlist.package.manifest import golden_faults, manifest_faults
from shortlist.package.strings import open_keys, open_text, text_column
from shortlist.v1.manifest_pb2 import Golden, Items, Manifest
from shortlist.vocabulary import MAX_ID_BYTES, MAX_TITLE_BYTES

MAX_CATEGORY_BYTES: Final = 128  # as for the categories of live items, catalog.proto


class Draft:
    """A package in a hidden directory beside `target`; `publish` renames it to there. Left before, it is removed.

    N items. Raises PackageError when something that is no package lies at `target`, or nothing can be written there.
    """

    def __init__(self, target: Path) -> None:
        refuse_unless_replaceable(target)
        self.target = target
        self.path = target.parent / f".{target.name}.{secrets.token_hex(4)}.partial"
        self._roles: dict[str, str] = {}
        with _refusing(str(target), "a package cannot be written there"):
            self.path.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def add(self, path: str, role: str, write: Callable[[Path], object]) -> Path:
        """Let `write` make the file at this place of the package (see `layout`), and list it under `role`.

        PackageError when the path is none inside the package, or the disk refuses.
        """
        if not layout.is_plain(path):
            raise PackageError(path, "is not a plain relative path inside the package")
        file = self.path / path
        with _refusing(path, "cannot be written"):
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
        """Write the catalogue and return its entry; ids sorted bytewise. Left out: no titles, all available, none.

        PackageError names the row of an id, a title or a category that no package may hold (see `strings.clean`).
        """
        num_items, attributes = len(item_ids), numeric or {}
        columns = [("titles", titles), ("available_N", available_N), ("categories", categories), *attributes.items()]
        for name, column in columns:
            if column is not None and len(column) != num_items:
                raise ValueError(f"{name}: {len(column)} entries for {num_items} items")
        self._add_text(layout.ITEM_IDS, item_ids)
        open_keys(self.path, layout.ITEM_IDS, num_items, max_bytes=MAX_ID_BYTES)
        self._add_text(layout.TITLES, [""] * num_items if titles is None else titles)
        open_text(self.path, layout.TITLES, num_items, max_bytes=MAX_TITLE_BYTES)
        available = np.ones(num_items, np.bool_) if available_N is None else available_N
        self.add_array(layout.AVAILABLE, "items", available, np.bool_)
        numbers = np.array(list(attributes.values()), np.float64).reshape(len(attributes), num_items)
        self.add_array(layout.NUMERIC, "items", numbers, np.float64)
        self._add_categories([()] * num_items if categories is None else categories)
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
        """Write the golden requests; PackageError when they are not sound in themselves."""
        for fault in golden_faults(golden):
            raise PackageError(layout.GOLDEN, fault)
        self.add(layout.GOLDEN, "golden", lambda file: file.write_bytes(_json(layout.GOLDEN, golden)))

    def finish(self, manifest: Manifest) -> None:
        """List the files in the manifest and write it: the directory is then a package, though not in its place yet.

        Sets the version of the format, and the time where the manifest has none. PackageError when the manifest is
        not sound in itself.
        """
        manifest.schema_version = layout.SCHEMA_VERSION
        if not manifest.HasField("created"):
            manifest.created.GetCurrentTime()
        del manifest.files[:]
        with _refusing(layout.MANIFEST, "cannot be written"):
            manifest.files.extend(file_entry(self.path, path, role) for path, role in self._roles.items())
            for fault in manifest_faults(manifest):
                raise PackageError(layout.MANIFEST, fault)
            (self.path / layout.MANIFEST).write_bytes(_json(layout.MANIFEST, manifest))

    def publish(self, manifest: Manifest) -> None:
        """Finish, force everything to disk, read it back, and rename it into place; an older package there goes."""
        self.finish(manifest)
        with _refusing(str(self.target), "the finished package cannot be written"):
            for folder, _, names in os.walk(self.path):
                for name in names:
                    _sync(Path(folder) / name)
                _sync(Path(folder))
        verify_files(self.path, read_manifest(self.path))
        _replace(self.path, self.target)

    def _add_text(self, column: str, texts: Iterable[str]) -> None:
        offsets_file, content_file = layout.text_files(column)
        try:
            offsets, content = text_column(texts)
        except UnicodeEncodeError as error:
            raise PackageError(content_file, f"{error.object[error.start]!r} is half a surrogate pair") from None
        self.add_array(offsets_file, "items", offsets, np.int64)
        self.add_array(content_file, "items", content, np.uint8)

    def _add_categories(self, categories: Sequence[Sequence[str]]) -> None:
        """In one pass over arrays: a list or a set of its own for each of millions of items takes longer by far."""
        names = sorted(set(chain.from_iterable(categories)), key=lambda name: name.encode("utf-8", "surrogatepass"))
        number_of = {name: number for number, name in enumerate(names)}
        counts = np.fromiter(map(len, categories), np.int64, len(categories))
        numbers = np.fromiter(map(number_of.__getitem__, chain.from_iterable(categories)), np.int64, counts.sum())
        # Row and category in one number: sorted by both, each pair once. np.unique hashes, at ten times the cost.
        pairs = np.sort(np.repeat(np.arange(len(categories)), counts) * len(names) + numbers)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        rows, columns = np.divmod(pairs, max(len(names), 1))
        indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(categories)))))
        indptr_file, indices_file, _ = layout.sparse_files(layout.CATEGORIES)
        self._add_text(layout.CATEGORY_NAMES, names)
        open_keys(self.path, layout.CATEGORY_NAMES, len(names), max_bytes=MAX_CATEGORY_BYTES)
        self.add_array(indptr_file, "items", indptr, np.int64)
        self.add_array(indices_file, "items", columns, np.int32)

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
    with _refusing(str(target), "a package cannot be written there"):
        target.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(target.parent, os.W_OK):
        raise PackageError(str(target), "a package cannot be written there (no permission)")


@contextmanager
def _refusing(file: str, what: str) -> Iterator[None]:
    """Turns an error of the system into a PackageError that says what could not be done, and why."""
    try:
        yield
    except OSError as error:
        raise PackageError(file, f"{what} ({error.strerror or error})") from error


def _json(file: str, message: Message) -> bytes:
    try:
        return to_json(message)
    except ValueError as error:
        raise PackageError(file, str(error)) from None


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
    with _refusing(str(target), "the finished package cannot be moved there"):
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
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)
