"""One score an item, for everybody: popular, recent, trending, random, fresh.

Shapes: B requests, N items, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.package.arrays import MAX_SCORE, check_numbers, open_array
from shortlist.package.layout import scores_file
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_server.pipeline.sources.source import Parts, Source, SourceQuery
from shortlist_server.pipeline.types import PADDING, Allowed, Profiles, ScoresAndRows


class ItemScores(Source):
    """The items by score, ties by row: the order is made once, and every request takes its head."""

    needs_history = False

    def __init__(self, entry: manifest.Source, scores_N: NDArray[np.float32]) -> None:
        super().__init__(entry, max_history=0)
        self._scores_N = scores_N
        self._order_N = np.argsort(-scores_N, kind="stable").astype(np.int32)

    @classmethod
    def faults(cls, entry: manifest.Source, package: manifest.Manifest) -> list[str]:
        """It has no settings."""
        return []

    @classmethod
    def files(cls, entry: manifest.Source) -> tuple[str, ...]:
        """The scores."""
        return (scores_file(entry.name),)

    @classmethod
    def build(cls, entry: manifest.Source, parts: Parts) -> Self:
        """Map the scores, which are finite."""
        file = scores_file(entry.name)
        scores_N = open_array(parts.root, file, np.float32, (parts.catalog.num_items,))
        check_numbers(parts.root, file, scores_N, MAX_SCORE)
        return cls(entry, scores_N)

    def query(self, profiles: Profiles, contexts: Sequence[Mapping[str, float]]) -> SourceQuery:
        """The users make no difference."""
        return _ScoresQuery(self._scores_N, self._order_N, len(profiles))

    def describe(self) -> str:
        """The file."""
        return scores_file(self.name)


class _ScoresQuery(SourceQuery):
    def __init__(self, scores_N: NDArray[np.float32], order_N: NDArray[np.int32], num_requests: int) -> None:
        self.failed_B = np.zeros(num_requests, dtype=np.bool_)
        self._scores_N = scores_N
        self._order_N = order_N

    def retrieve(self, allowed: Allowed, k: int) -> ScoresAndRows:
        scores_BC = np.full((len(self.failed_B), k), -np.inf, dtype=np.float32)
        rows_BC = np.full(scores_BC.shape, PADDING, dtype=np.int64)
        # Marked and cleared for one request after the other: 20 times as fast as looking rows up in a sorted list.
        excluded_N = np.zeros(len(self._scores_N), dtype=np.bool_)
        for indices_G, mask_N, (indptr, excluded) in allowed.groups:
            most = k + int(np.diff(indptr).max())  # whatever a user may not get besides, k are left of so many
            head = self._head(mask_N, most)
            for place, index in enumerate(indices_G.tolist()):
                not_again = excluded[indptr[place] : indptr[place + 1]]
                excluded_N[not_again] = True
                rows = head[~excluded_N[head]][:k]
                excluded_N[not_again] = False
                rows_BC[index, : len(rows)] = rows
                scores_BC[index, : len(rows)] = self._scores_N[rows]
        return ScoresAndRows(scores_BC, rows_BC)

    def score(self, rows_BC: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.where(rows_BC == PADDING, np.float32(0), self._scores_N[rows_BC])

    def _head(self, mask_N: NDArray[np.bool_] | None, count: int) -> NDArray[np.int32]:
        """The best `count` items of a mask: from ever longer parts of the order, as most masks allow most items."""
        if mask_N is None:
            return self._order_N[:count]
        length = 2 * count
        while True:
            part = self._order_N[:length]
            found = part[mask_N[part]]
            if len(found) >= count or length >= len(self._order_N):
                return found[:count]
            length *= 4
