"""Orders candidates by value traded against variety, all requests that do it alike in one call of the kernel.

Shapes: G requests that order alike, C candidates, K places, D dimensions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import VectorIndex, rerank
from shortlist_server.pipeline.query import Diversity, DiversityName

KERNELS: dict[DiversityName, Callable[..., tuple[Any, Any]]] = {"mmr": rerank.mmr, "dpp": rerank.dpp}
MOST_NUMBERS = 1 << 24  # of the vectors of one call: 64 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """The candidates of one request, by (value descending, row ascending), and how many places variety is to give."""

    diversity: Diversity
    positions_C: NDArray[np.int64]
    rows_C: NDArray[np.int64]
    values_C: NDArray[np.float32]
    depth: int


class Variety:
    """Orders candidates by value traded against likeness, the cosine of their `vectors`."""

    def __init__(self, vectors: VectorIndex, num_threads: int) -> None:
        self._vectors = vectors
        self._num_threads = num_threads

    def order(self, contests: Sequence[Contest]) -> list[NDArray[np.int64]]:
        """Of each contest the places in its columns: `depth` of them by value and variety, then the others by value.

        Value and likeness are weighed on one scale: values are first stretched to 0..1 over the request's candidates.
        """
        orders = [np.arange(len(contest.rows_C)) for contest in contests]
        for members in _alike(contests, self._vectors.dim):
            group = [contests[member] for member in members]
            rows_GC = np.stack([contest.rows_C for contest in group])
            chosen_GK, _ = KERNELS[group[0].diversity.method](
                self._vectors.vectors(rows_GC.reshape(-1)).reshape(*rows_GC.shape, self._vectors.dim),
                np.stack([_relevance(contest.values_C) for contest in group]),
                group[0].depth,
                np.array([contest.diversity.strength for contest in group]),
                num_threads=self._num_threads,
            )
            for member, chosen_K in zip(members, chosen_GK, strict=True):
                orders[member] = np.concatenate([chosen_K, np.delete(orders[member], chosen_K)])
        return orders


def _alike(contests: Sequence[Contest], dim: int) -> list[list[int]]:
    """Places of the contests by what the kernel takes once per call: method, number of candidates and depth."""
    groups: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    for member, contest in enumerate(contests):
        if contest.depth and contest.diversity.strength:
            groups[contest.diversity.method, len(contest.rows_C), contest.depth].append(member)
    parts = []
    for (_, num_candidates, _), members in groups.items():
        size = max(1, MOST_NUMBERS // (num_candidates * dim))
        parts += [members[start : start + size] for start in range(0, len(members), size)]
    return parts


def _relevance(values_C: NDArray[np.float32]) -> NDArray[np.float64]:
    values = values_C.astype(np.float64)
    spread = np.ptp(values)
    return np.asarray((values - values.min()) / spread) if spread > 0.0 else np.ones_like(values)
