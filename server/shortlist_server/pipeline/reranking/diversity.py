"""Diversity: value traded against similarity to the items placed before. All requests that do it alike share one call.

Shapes: B requests of one call, C candidates, K places, D dimensions, L other items.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import rerank
from shortlist_server.catalog.spaces import Space
from shortlist_server.pipeline.query import Diversity, DiversityName, Query
from shortlist_server.pipeline.reranking.rule import RankedList, Rule
from shortlist_server.pipeline.types import Batch, Degraded

KERNELS: Final[dict[DiversityName, Callable[..., tuple[NDArray[np.int64], Any]]]] = {
    "mmr": rerank.mmr,
    "dpp": rerank.dpp,
}
# Of the vectors of one call: 64 MiB, far above what 64 requests of 200 candidates take and far below a harm.
MAX_NUMBERS: Final = 1 << 24
# Where `rerank.dpp` stops to tell a vector from a combination of others.
LEAST_RESIDUAL: Final = 1e-10


class DiversityRule(Rule):
    """Orders by value traded against similarity, the cosine of vectors. `space` None: the package names none for it."""

    name = "diversity"

    def __init__(self, space: Space | None, num_threads: int) -> None:
        self._space = space
        self._num_threads = num_threads

    def applies(self, query: Query) -> bool:
        """A strength of 0 asks for nothing."""
        return query.diversity.strength > 0.0

    def apply(self, batch: Batch, lists: Sequence[RankedList]) -> list[RankedList]:
        """As many places as each list is to have by value and similarity, then the others as they stand."""
        if self._space is None:
            detail = "the package names no vector space that diversity could measure similarity in"
            missing = Degraded(stage="RERANK", reason="NOT_IN_PACKAGE", source=self.name, detail=detail)
            for ranked in lists:
                batch.degrade(ranked.request_index, missing)
            return list(lists)
        reordered = list(lists)
        for indices in _calls(lists, self._space.dim):
            chosen_BK = self._choose(self._space, [lists[index] for index in indices])
            for index, chosen_K in zip(indices, chosen_BK, strict=True):
                reordered[index] = lists[index].headed_by(chosen_K)
        return reordered

    def _choose(self, space: Space, group: Sequence[RankedList]) -> NDArray[np.int64]:
        rows_BC = np.stack([ranked.rows_C for ranked in group])
        chosen_BK, _ = KERNELS[group[0].query.diversity.method](
            space.vectors(rows_BC.reshape(-1)).reshape(*rows_BC.shape, space.dim),
            np.stack([ranked.stretched() for ranked in group]),
            _num_places(group[0]),
            np.array([ranked.query.diversity.strength for ranked in group]),
            num_threads=self._num_threads,
        )
        return chosen_BK


def cosines(space: Space, rows_K: NDArray[np.int64], others_L: NDArray[np.int64]) -> NDArray[np.float64]:
    """The cosine of the vectors of items and of other items, (K, L); 0 where a vector is 0."""
    unit_KD, unit_LD = (_unit(space.vectors(rows).astype(np.float64)) for rows in (rows_K, others_L))
    return np.asarray(unit_KD @ unit_LD.T)


def penalties(space: Space, rows_K: NDArray[np.int64], diversity: Diversity) -> NDArray[np.float64]:
    """What the method of `diversity` took off the score of each item for the items placed before it, (K,).

    "mmr": strength x the largest cosine to one of them. "dpp": strength x -log of the residual, the squared length of
    what is left of the item's unit vector when its projection on theirs is taken away, at least 1e-10; 0 where the
    vector is 0. Nothing for the first.
    """
    if diversity.method == "dpp":
        unit_KD = _unit(space.vectors(rows_K).astype(np.float64))
        return np.asarray(diversity.strength * np.abs(np.log(_residuals(unit_KD))))
    cosines_KK = cosines(space, rows_K, rows_K)
    penalties_K = np.zeros(len(rows_K), dtype=np.float64)
    for place in range(1, len(rows_K)):
        penalties_K[place] = diversity.strength * cosines_KK[place, :place].max()
    return penalties_K


def _num_places(ranked: RankedList) -> int:
    return min(ranked.num_places, len(ranked))


def _calls(lists: Sequence[RankedList], dim: int) -> list[list[int]]:
    """The indices of lists by what the kernel takes once per call: method, number of candidates and of places."""
    groups: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    for index, ranked in enumerate(lists):
        if len(ranked):
            groups[ranked.query.diversity.method, len(ranked), _num_places(ranked)].append(index)
    calls = []
    for (_, num_candidates, _), indices in groups.items():
        size = max(1, MAX_NUMBERS // (num_candidates * dim))
        calls += [indices[start : start + size] for start in range(0, len(indices), size)]
    return calls


def _residuals(unit_KD: NDArray[np.float64]) -> NDArray[np.float64]:
    """The squared length of the part of each vector that is orthogonal to all before it, as `rerank.dpp` has it.

    1 for a vector of zeros; a vector below LEAST_RESIDUAL is a combination of the others and adds no direction.
    """
    residuals_K = np.ones(len(unit_KD), dtype=np.float64)
    basis = np.zeros_like(unit_KD[: unit_KD.shape[1]])
    rank = 0
    for place in np.flatnonzero(unit_KD.any(axis=1)):
        left_D = unit_KD[place] - unit_KD[place] @ basis[:rank].T @ basis[:rank]
        residuals_K[place] = max(float(left_D @ left_D), LEAST_RESIDUAL)
        if residuals_K[place] > LEAST_RESIDUAL and rank < len(basis):
            basis[rank] = left_D / np.linalg.norm(left_D)
            rank += 1
    return np.minimum(residuals_K, 1.0)


def _unit(vectors_KD: NDArray[np.float64]) -> NDArray[np.float64]:
    norms_K1 = np.linalg.norm(vectors_KD, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors_KD, norms_K1, out=np.zeros_like(vectors_KD), where=norms_K1 > 0.0))
