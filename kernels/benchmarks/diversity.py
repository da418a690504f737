"""Races of `rerank.mmr` and `rerank.dpp` with pyversity and a vectorised MMR in torch.

Candidates are random unit vectors, or such as gather in clusters; scores are uniform, then standardised, which
pyversity does for DPP anyway, so that with diversity 0.5 its kernel is ours. Its MMR counts negative cosines as 0, and
so may take others. The peers take one query after the other. What agrees is the share of the candidates taken by ours.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.race import OURS, Race
from benchmarks.timing import Work
from shortlist_kernels import rerank

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

DIVERSITY = 0.5
NUM_CLUSTERS = 20
SPREAD = 0.5  # of a cluster, in standard deviations of the centres


def races(quick: bool) -> Iterator[Race]:
    """MMR and DPP, one query and many."""
    num_items, dim, k, many = (100, 16, 10, 3) if quick else (1000, 128, 50, 64)
    random = np.random.default_rng(11)
    one, clustered = _vectors(random, 1, num_items, dim, None), _vectors(random, 1, num_items, dim, NUM_CLUSTERS)
    for what, vectors_QND in (
        ("1 query", one),
        ("1 query, clustered", clustered),
        (f"{many} queries", _vectors(random, many, num_items, dim, None)),
    ):
        scores_QN = _standardised(random.random(vectors_QND.shape[:2]))
        size = f"{num_items:,} x {dim}, k = {k}, {what}"
        yield _race(f"MMR, {size}", _mmr_contenders(vectors_QND, scores_QN, k))
        yield _race(f"DPP, {size}", _dpp_contenders(vectors_QND, scores_QN, k))


def _race(title: str, contenders: Mapping[str, Callable[[], Int64]]) -> Race:
    ours_QK = contenders[OURS]()
    works: dict[str, Work] = dict(contenders)
    return Race(
        title=title, works=works, agreement={name: _shared(ours_QK, work()) for name, work in contenders.items()}
    )


def _shared(ours_QK: Int64, theirs_QK: Int64) -> float:
    found = [np.isin(ours, theirs).mean() for ours, theirs in zip(ours_QK, theirs_QK, strict=True)]
    return float(np.mean(found))


def _mmr_contenders(vectors_QND: Float32, scores_QN: Float32, k: int) -> dict[str, Callable[[], Int64]]:
    contenders = {OURS: lambda: rerank.mmr(vectors_QND, scores_QN, k, DIVERSITY)[0]}
    if importlib.util.find_spec("pyversity"):
        contenders["pyversity"] = lambda: _pyversity("mmr", vectors_QND, scores_QN, k)
    if importlib.util.find_spec("torch"):
        contenders["torch"] = lambda: _torch_mmr(vectors_QND, scores_QN, k)
    return contenders


def _dpp_contenders(vectors_QND: Float32, scores_QN: Float32, k: int) -> dict[str, Callable[[], Int64]]:
    contenders = {OURS: lambda: rerank.dpp(vectors_QND, scores_QN, k, DIVERSITY)[0]}
    if importlib.util.find_spec("pyversity"):
        contenders["pyversity"] = lambda: _pyversity("dpp", vectors_QND, scores_QN, k)
    return contenders


def _pyversity(strategy: str, vectors_QND: Float32, scores_QN: Float32, k: int) -> Int64:
    from pyversity import diversify

    found = [
        diversify(vectors_ND, scores_N, k, strategy, DIVERSITY).indices
        for vectors_ND, scores_N in zip(vectors_QND, scores_QN, strict=True)
    ]
    return np.stack(found).astype(np.int64)


def _torch_mmr(vectors_QND: Float32, scores_QN: Float32, k: int) -> Int64:
    """On one thread: several are slower at products so small, four times so on a busy machine."""
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    order_QK = np.empty((len(scores_QN), k), np.int64)
    for query, (vectors_ND, scores_N) in enumerate(zip(vectors_QND, scores_QN, strict=True)):
        unit_ND = torch.nn.functional.normalize(torch.from_numpy(vectors_ND))
        values_N = relevance_N = (1 - DIVERSITY) * torch.from_numpy(scores_N)
        closest_N = torch.full_like(relevance_N, -torch.inf)
        for place in range(k):
            order_QK[query, place] = chosen = int(values_N.argmax())
            relevance_N[chosen] = -torch.inf
            torch.maximum(closest_N, unit_ND @ unit_ND[chosen], out=closest_N)
            values_N = relevance_N - DIVERSITY * closest_N
    torch.set_num_threads(num_threads)
    return order_QK


def _vectors(
    random: np.random.Generator, num_queries: int, num_items: int, dim: int, num_clusters: int | None
) -> Float32:
    """Unit vectors, in clusters where their number is given."""
    values_QND = random.standard_normal((num_queries, num_items, dim))
    if num_clusters is not None:
        centres_CD = random.standard_normal((num_clusters, dim))
        members_QN = random.integers(0, num_clusters, (num_queries, num_items))
        values_QND = centres_CD[members_QN] + SPREAD * values_QND
    return _float32(values_QND / np.linalg.norm(values_QND, axis=2, keepdims=True))


def _standardised(scores_QN: NDArray[np.float64]) -> Float32:
    centred_QN = scores_QN - scores_QN.mean(axis=1, keepdims=True)
    return _float32(centred_QN / scores_QN.std(axis=1, keepdims=True))


def _float32(values: NDArray[np.float64]) -> Float32:
    return values.astype(np.float32)
