"""The package as families write into it: what several of them add to, and real users to check graphs on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.package import Draft
from shortlist.v1.manifest_pb2 import Space
from shortlist_kernels import VectorIndex
from shortlist_training.data.queries import Queries
from shortlist_training.errors import InputError


class ModelDraft(Draft):
    """A package being written, with the vector spaces and item attributes that models bring.

    Attributes:
        queries: real users, for the parity of graphs.
        say: shows one line of progress.
        spaces: the entries of the manifest.
        numeric: numeric attributes of the items, float64 (N,), by name.
    """

    def __init__(self, target: Path, queries: Queries, say: Callable[[str], None]) -> None:
        super().__init__(target)
        self.queries = queries
        self.say = say
        self.spaces: list[Space] = []
        self.numeric: dict[str, NDArray[np.float64]] = {}

    def add_space(self, name: str, index: VectorIndex) -> None:
        """Write the vectors of a space and note its entry."""
        self.add_vectors(name, index.save)
        self.spaces.append(Space(name=name, metric=f"METRIC_{index.metric.upper()}", dimensions=index.dim))

    def add_attribute(self, name: str, numbers_N: NDArray[np.float64]) -> None:
        """Give every item a number under this name; InputError where the data has an attribute of that name."""
        if name in self.numeric:
            raise InputError(f"items: the attribute {name!r} is one that the recipe computes; rename yours")
        self.numeric[name] = numbers_N
