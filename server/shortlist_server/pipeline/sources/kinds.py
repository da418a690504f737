"""The kinds of sources that this server has: a line each, under the field of the manifest's Source that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shortlist.v1 import manifest_pb2 as manifest
from shortlist_server.pipeline.sources.candidate_scorer import CandidateScorer
from shortlist_server.pipeline.sources.item_matrix import ItemMatrix
from shortlist_server.pipeline.sources.item_scores import ItemScores
from shortlist_server.pipeline.sources.source import Parts, Source, raise_first
from shortlist_server.pipeline.sources.user_neighbours import UserNeighbours
from shortlist_server.pipeline.sources.user_vector import UserVector

KINDS: Final[Mapping[str, type[Source]]] = MappingProxyType(
    {
        "item_scores": ItemScores,
        "item_matrix": ItemMatrix,
        "user_vector": UserVector,
        "user_neighbours": UserNeighbours,
        "candidate_scorer": CandidateScorer,
    }
)


def check_sources(package: manifest.Manifest) -> None:
    """PackageError for the first entry that its kind cannot be built from."""
    for number, entry in enumerate(package.sources):
        raise_first(f"sources[{number}]", kind_of(entry).faults(entry, package))


def files_of_sources(package: manifest.Manifest) -> tuple[str, ...]:
    """The files that the sources of a package need."""
    return tuple(file for entry in package.sources for file in kind_of(entry).files(entry))


def build_sources(parts: Parts) -> tuple[Source, ...]:
    """The sources of a package in the order of its manifest; PackageError names the file at fault."""
    return tuple(kind_of(entry).build(entry, parts) for entry in parts.manifest.sources)


def kind_of(entry: manifest.Source) -> type[Source]:
    """The kind of a source whose manifest was checked."""
    field = entry.WhichOneof("kind")
    assert field is not None, "a manifest is checked before anything is built from it"
    return KINDS[field]
