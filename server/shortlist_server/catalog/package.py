"""A model package on disk, opened: verified as a whole, then ready to serve, or not opened at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import Csr, VectorIndex
from shortlist_server.catalog.files import locate, read_manifest_bytes, verify_files
from shortlist_server.catalog.items import Catalog, read_items
from shortlist_server.catalog.manifest import (
    ITEMS_FILE,
    Manifest,
    neighbours_file,
    parse_manifest,
    vectors_file,
)
from shortlist_server.catalog.tables import read_neighbours, read_vectors
from shortlist_server.errors import PackageError
from shortlist_server.inference.session import OnnxModel


@dataclass(frozen=True, slots=True)
class Package:
    """One version of everything that answers a request. Keys are the names of the manifest; ids in `vectors` and
    rows in `neighbours` are rows of `catalog`.
    """

    path: Path
    manifest: Manifest
    catalog: Catalog
    vectors: MappingProxyType[str, VectorIndex]
    neighbours: MappingProxyType[str, Csr]
    models: MappingProxyType[str, OnnxModel]
    num_threads: int
    """How many threads a search of `vectors` and a run of one of `models` take."""


def open_package(
    path: Path,
    *,
    num_threads: int = 1,
    user_tower_rows: int = 4,
    device: Literal["cpu", "cuda"] = "cpu",
) -> Package:
    """Open the package in this directory and warm its models up; PackageError names the file that is at fault.

    The ranker runs one request at a time, other models `user_tower_rows` rows at a time, each with `num_threads`, as
    has each search.
    """
    manifest = parse_manifest(read_manifest_bytes(path))
    verify_files(path, manifest)
    catalog = read_items(locate(path, ITEMS_FILE))
    vectors = {name: _open_vectors(path, name, metric, catalog) for name, metric in manifest.vector_metrics.items()}
    neighbours = {}
    for name in manifest.neighbour_names:
        file = neighbours_file(name)
        neighbours[name] = read_neighbours(locate(path, file), file, catalog.num_items)
    _check_user_towers(manifest, vectors)
    models = {}
    for spec in manifest.models:
        rows = 1 if spec.role == manifest.ranker.model else user_tower_rows
        models[spec.role] = OnnxModel(locate(path, spec.path), spec, rows, num_threads, device)
        models[spec.role].warm_up(catalog.num_items, manifest.num_candidates)
    return Package(
        path,
        manifest,
        catalog,
        MappingProxyType(vectors),
        MappingProxyType(neighbours),
        MappingProxyType(models),
        num_threads,
    )


def _open_vectors(root: Path, name: str, metric: str, catalog: Catalog) -> VectorIndex:
    file = vectors_file(name)
    vectors_ND: NDArray[np.float32] = read_vectors(locate(root, file), file, catalog.num_items)
    index = VectorIndex(vectors_ND.shape[1], metric)
    try:
        index.add(np.arange(catalog.num_items, dtype=np.int64), vectors_ND)
    except ValueError as error:
        raise PackageError(file, str(error)) from None
    return index


def _check_user_towers(manifest: Manifest, vectors: dict[str, VectorIndex]) -> None:
    for source in manifest.sources:
        if source.type == "two_tower":
            output = manifest.model(source.model).outputs[0]
            dim = vectors[source.vectors].dim
            if output.shape[1] != dim:
                raise PackageError(
                    vectors_file(source.vectors),
                    f"has {dim} dimensions, output {output.name!r} of model {source.model!r} {output.shape[1]}",
                )
