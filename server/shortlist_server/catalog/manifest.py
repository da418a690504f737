"""manifest.json, schema version 1: parsed into frozen models and checked for agreement with itself.

Unknown keys are errors, so that a misspelt one is never ignored, except at the documented extension points:
`data`, `evaluation[].protocol`, `evaluation[].results[]` and `extensions`, which the server never acts upon.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import from_json

from shortlist_server.catalog.features import feature_misfit
from shortlist_server.catalog.manifest_parts import (
    MANIFEST_FILE,
    DataInfo,
    Evaluation,
    FileEntry,
    Fusion,
    ItemNeighboursSource,
    Metric,
    Part,
    Ranker,
    Rerank,
    Source,
    TwoTowerSource,
)
from shortlist_server.errors import PackageError
from shortlist_server.inference.spec import ModelSpec, Name

__all__ = ["ItemNeighboursSource", "Manifest", "Source", "TwoTowerSource", "describe_first", "parse_manifest"]

SCHEMA_VERSION: Final = 1
ITEMS_FILE: Final = "items.parquet"


class Manifest(Part):
    """The whole manifest. After parsing, every name that one part uses is defined by another."""

    schema_version: Literal[1]
    name: Name
    package_id: Name
    created: str
    data: DataInfo
    evaluation: tuple[Evaluation, ...]
    max_history: Annotated[int, Field(ge=1, le=10_000)]
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    fusion: Fusion
    num_candidates: Annotated[int, Field(ge=1, le=10_000)]
    ranker: Ranker
    rerank: Rerank
    models: tuple[ModelSpec, ...]
    golden: str
    files: tuple[FileEntry, ...]
    extensions: dict[str, Any] = Field(default_factory=dict)

    def model(self, role: str) -> ModelSpec:
        """The model of this role; KeyError when there is none."""
        for spec in self.models:
            if spec.role == role:
                return spec
        raise KeyError(role)

    @property
    def vector_metrics(self) -> dict[str, Metric]:
        """Each vector space of the package and its metric; one that only re-ranking uses is an inner product."""
        metrics: dict[str, Metric] = {self.rerank.vectors: "inner_product"}
        metrics.update({source.vectors: source.metric for source in self.sources if source.type == "two_tower"})
        return metrics

    @property
    def neighbour_names(self) -> tuple[str, ...]:
        """The neighbour tables that the sources use."""
        return tuple(dict.fromkeys(source.neighbours for source in self.sources if source.type == "item_neighbours"))

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        _refuse_duplicates("sources", [source.name for source in self.sources])
        _refuse_duplicates("models", [spec.role for spec in self.models])
        _refuse_duplicates("ranker.heads", [head.name for head in self.ranker.heads])
        _refuse_duplicates("files", [entry.path for entry in self.files])
        _check_references(self)
        for spec in self.models:
            _check_features(spec, self)
        _check_outputs(self)
        return self


def _refuse_duplicates(field: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{field}: {name!r} appears twice")


def _check_references(manifest: Manifest) -> None:
    listed = {entry.path for entry in manifest.files}
    roles = {spec.role for spec in manifest.models}
    needed = [ITEMS_FILE, manifest.golden, *(spec.path for spec in manifest.models)]
    needed += [vectors_file(name) for name in manifest.vector_metrics]
    needed += [neighbours_file(name) for name in manifest.neighbour_names]
    for path in needed:
        if path not in listed:
            raise ValueError(f"files: {path!r} is used but not listed")
    for source in manifest.sources:
        if source.type == "two_tower":
            if source.model not in roles:
                raise ValueError(f"sources: {source.name!r} uses model {source.model!r}, which is not in models")
            if manifest.vector_metrics[source.vectors] != source.metric:
                raise ValueError(f"sources: vectors {source.vectors!r} are used with two metrics")
    if manifest.ranker.model not in roles:
        raise ValueError(f"ranker: model {manifest.ranker.model!r} is not in models")


def _check_features(spec: ModelSpec, manifest: Manifest) -> None:
    for tensor in spec.inputs:
        misfit = feature_misfit(tensor.feature, tensor.dtype, tensor.shape, manifest.max_history, len(manifest.sources))
        if misfit:
            raise ValueError(f"models: {spec.role}: input {tensor.name!r}: {misfit}")


def _check_outputs(manifest: Manifest) -> None:
    ranker = manifest.model(manifest.ranker.model)
    probabilities = ranker.outputs[0]
    if len(probabilities.shape) != 3 or probabilities.shape[2] != len(manifest.ranker.heads):
        raise ValueError(
            f"models: {ranker.role}: output {probabilities.name!r} has shape {list(probabilities.shape)}, "
            f"wanted [batch, candidates, {len(manifest.ranker.heads)}], one column a head"
        )
    for role in {source.model for source in manifest.sources if source.type == "two_tower"}:
        tower = manifest.model(role)
        for tensor in tower.inputs:
            if not tensor.feature.startswith("history."):
                raise ValueError(f"models: {role}: a user tower sees the history only, not {tensor.feature!r}")
        if len(tower.outputs[0].shape) != 2 or tower.outputs[0].dtype != "float32":
            raise ValueError(f"models: {role}: output {tower.outputs[0].name!r} is not float32 [batch, dimensions]")


def vectors_file(name: str) -> str:
    """Where the vector space of this name lies inside the package."""
    return f"vectors/{name}.npy"


def neighbours_file(name: str) -> str:
    """Where the neighbour table of this name lies inside the package."""
    return f"neighbours/{name}.npz"


def parse_manifest(text: bytes) -> Manifest:
    """The manifest out of the bytes of manifest.json; PackageError names the first wrong field and its value."""
    try:
        document = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise PackageError(MANIFEST_FILE, f"not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
        found = document.get("schema_version") if isinstance(document, dict) else None
        raise PackageError(MANIFEST_FILE, f"schema_version {found!r}, this server reads {SCHEMA_VERSION}")
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise PackageError(MANIFEST_FILE, describe_first(error)) from None


def describe_first(error: ValidationError) -> str:
    """One line for the first fault that pydantic found: where, what, and the value if it is short."""
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    shown = repr(fault["input"])
    value = f" (got {shown})" if len(shown) <= 80 and fault["type"] != "value_error" else ""
    return f"{where}: {message}{value}" if where else f"{message}{value}"
