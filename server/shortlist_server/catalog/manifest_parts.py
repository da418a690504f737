"""The parts of manifest.json, each sound by itself; `manifest` checks that they agree with each other."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shortlist_server.inference.spec import Name

MANIFEST_FILE: Final = "manifest.json"

Count = Annotated[int, Field(ge=0)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Metric = Literal["inner_product", "cosine", "euclidean", "pearson"]


class Part(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class OpenPart(BaseModel):
    """Frozen, and an extension point: unknown keys are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class DataInfo(OpenPart):
    """Where the training data came from. An extension point: further keys are kept as they are."""

    fingerprint: str
    num_users: Count
    num_items: Count
    num_events: Count
    first_timestamp: int
    last_timestamp: int
    train_until: int
    licence: str
    attribution: str


class Result(OpenPart):
    """What one scorer reached. An extension point."""

    scorer: str
    metrics: dict[str, float | None]


class Evaluation(Part):
    """Results and the protocol under which they were measured (an extension point, `name` is a must)."""

    protocol: dict[str, Any]
    results: tuple[Result, ...]

    @field_validator("protocol")
    @classmethod
    def _names_itself(cls, protocol: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(protocol.get("name"), str):
            raise ValueError("a protocol needs a name")
        return protocol


class TwoTowerSource(Part):
    """User tower on ONNX, exact top-k over the item vectors."""

    type: Literal["two_tower"]
    name: Name
    weight: Weight
    model: Name
    vectors: Name
    metric: Metric


class ItemNeighboursSource(Part):
    """Item-based collaborative filtering: the neighbours of the history, older items decayed."""

    type: Literal["item_neighbours"]
    name: Name
    weight: Weight
    neighbours: Name
    history_decay: Annotated[float, Field(gt=0, le=1)]


class PopularSource(Part):
    """The popularity column of the items."""

    type: Literal["popular"]
    name: Name
    weight: Weight


Source = Annotated[TwoTowerSource | ItemNeighboursSource | PopularSource, Field(discriminator="type")]


class Fusion(Part):
    """How the lists of the sources become one, unless the request says otherwise."""

    method: Literal["rrf", "weighted", "max", "round_robin", "borda"]
    norm: Literal["minmax", "zscore", "none"] = "minmax"


class Head(Part):
    """One output column of the ranker and its weight in the value of an item."""

    name: Name
    weight: Annotated[float, Field(ge=-1000, le=1000)]


class Ranker(Part):
    """Which model scores candidates; the heads are its output columns in order."""

    model: Name
    heads: Annotated[tuple[Head, ...], Field(min_length=1)]


class Rerank(Part):
    """In which vector space re-ranking measures the likeness of items."""

    vectors: Name


class FileEntry(Part):
    """One file of the package with its size and checksum."""

    path: str
    role: str
    bytes: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = path.split("/")
        if "\\" in path or not path.isprintable() or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"path {path!r} is not a plain relative path inside the package")
        if PurePosixPath(path).is_absolute() or path == MANIFEST_FILE:
            raise ValueError(f"path {path!r} may not be listed")
        return path
