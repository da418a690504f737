"""Golden requests: what the trainer's own code answered, stored in the package so that the server can be compared."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from shortlist_server.catalog.files import read_document
from shortlist_server.catalog.manifest import Manifest, describe_first
from shortlist_server.catalog.manifest_parts import Part
from shortlist_server.catalog.package import Package
from shortlist_server.errors import PackageError


class GoldenEvent(Part):
    """One history event; its type is a view, the order in the list is the order of arrival."""

    item_id: str
    timestamp: Annotated[int, Field(ge=-(2**63), lt=2**63)]


class GoldenList(Part):
    """Items and their scores, best first."""

    item_ids: tuple[str, ...]
    scores: tuple[float, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.item_ids) != len(self.scores):
            raise ValueError(f"{len(self.item_ids)} item_ids for {len(self.scores)} scores")
        return self


class GoldenRequest(Part):
    """A history, and the top k of every source (seen items excluded), of their fusion and of the ranker."""

    history: tuple[GoldenEvent, ...]
    k: Annotated[int, Field(ge=1, lt=2**31)]
    sources: dict[str, GoldenList]
    fused: GoldenList
    ranked: GoldenList


class GoldenSet(Part):
    """All golden requests; scores may differ by `tolerance`, ids only where two scores are that close."""

    tolerance: Annotated[float, Field(gt=0)]
    requests: Annotated[tuple[GoldenRequest, ...], Field(min_length=1)]


def load_golden(package: Package) -> GoldenSet:
    """The golden requests of this package; PackageError when they do not fit its sources and items."""
    file = package.manifest.golden
    try:
        golden = GoldenSet.model_validate_json(read_document(package.path, file))
    except ValidationError as error:
        raise PackageError(file, describe_first(error)) from None
    for position, request in enumerate(golden.requests):
        fault = _fault(request, package.manifest, package)
        if fault:
            raise PackageError(file, f"requests.{position}: {fault}")
    return golden


def _fault(request: GoldenRequest, manifest: Manifest, package: Package) -> str | None:
    names = {source.name for source in manifest.sources}
    for name in request.sources:
        if name not in names:
            return f"source {name!r} is not in the manifest"
    listed = [*request.sources.values(), request.fused, request.ranked]
    for item_id in (item_id for one in listed for item_id in one.item_ids):
        if package.catalog.rows([item_id])[0] < 0:
            return f"item {item_id!r} is not in items.parquet"
    return None
