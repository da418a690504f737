"""What every kind of source answers: its best items, its score of given ones and, where it can, similarity and reasons.

Shapes: B requests, N items, C candidates, K results, L history positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.package.errors import PackageError
from shortlist.package.layout import MANIFEST
from shortlist.v1 import manifest_pb2
from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.spaces import Space
from shortlist_server.inference.graph import Graph
from shortlist_server.pipeline.features import FeatureBuilder
from shortlist_server.pipeline.types import Allowed, Profiles, ScoresAndRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What sources are built from: the opened parts of a package. `graphs` are by the names of their sources."""

    root: Path
    manifest: manifest_pb2.Manifest
    catalog: Catalog
    spaces: Mapping[str, Space]
    graphs: Mapping[str, Graph]
    features: FeatureBuilder


class SourceQuery(ABC):
    """A source with the users of one batch. `failed_B` is True where its model gave this user no usable answer."""

    failed_B: NDArray[np.bool_]

    @abstractmethod
    def retrieve(self, allowed: Allowed, k: int) -> ScoresAndRows:
        """The k best allowed items of every request; nothing where it failed or the user has no history it needs."""

    @abstractmethod
    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        """The score that `retrieve` would give to each candidate; 0 where the row is -1 or it has nothing to say."""


class Source(ABC):
    """One source of a package.

    needs_history: it has nothing to say of a user without one. retrieves: it proposes items, and does not only score.
    max_history: how many positions of a history it looks at.
    """

    needs_history: ClassVar[bool] = True
    retrieves: ClassVar[bool] = True

    def __init__(self, entry: manifest_pb2.Source, max_history: int) -> None:
        self.name = entry.name
        self.family = entry.family
        self.weight = entry.weight
        self.max_history = max_history

    @classmethod
    @abstractmethod
    def faults(cls, entry: manifest_pb2.Source, package: manifest_pb2.Manifest) -> list[str]:
        """What is wrong with its entry in the manifest, each in one line that names the field and the value."""

    @classmethod
    @abstractmethod
    def files(cls, entry: manifest_pb2.Source) -> tuple[str, ...]:
        """The files that it needs."""

    @classmethod
    @abstractmethod
    def build(cls, entry: manifest_pb2.Source, parts: Parts) -> Self:
        """Open and check its files; PackageError names the one at fault."""

    @abstractmethod
    def query(self, profiles: Profiles, contexts: Sequence[Mapping[str, float]]) -> SourceQuery:
        """Prepare an answer for these users, running its model once for all of them."""

    @abstractmethod
    def describe(self) -> str:
        """For people: what it answers from, in a few words."""

    def similar(
        self, row: int, mask_N: NDArray[np.bool_], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """The k allowed items most similar to one item, best first: scores and rows, -inf and -1 where there are fewer.

        None: it knows no similarity.
        """
        return None

    def contributions(self, user: Profiles, rows_K: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """The exact part (K, L) of each item of one user's history, oldest first, in the score of each result.

        None: its score is no sum over the history.
        """
        return None


def raise_first(field: str, faults: list[str]) -> None:
    """PackageError with the first fault of an entry of the manifest."""
    if faults:
        raise PackageError(MANIFEST, f"{field}.{faults[0]}")
