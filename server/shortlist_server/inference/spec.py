"""What a model promises: the tensors that go in and come out. Parsed from the manifest of a package."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
"""Names of parts of a package: they become file names, metric labels and fields of messages."""
Axis = Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TensorSpec(_Model):
    """An output of a model: a number in `shape` is a fixed axis, a word a dynamic one."""

    name: Annotated[str, Field(min_length=1)]
    dtype: Literal["int64", "float32"]
    shape: Annotated[tuple[Axis, ...], Field(min_length=1)]


class InputSpec(TensorSpec):
    """An input of a model and the feature that feeds it."""

    feature: str


class ModelSpec(_Model):
    """One ONNX graph: where it is, what goes in, what comes out. The first axis of every tensor is the batch."""

    role: Name
    path: str
    inputs: Annotated[tuple[InputSpec, ...], Field(min_length=1)]
    outputs: Annotated[tuple[TensorSpec, ...], Field(min_length=1)]
