"""fuse: the lists of the sources become one list of candidates per request.

Shapes: B requests, G requests that fuse alike, I items, S sources, C candidates.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels import fuse as fuse_lists
from shortlist_server.pipeline.batch import PADDING, Batch, Candidates, Retrieved
from shortlist_server.pipeline.sources.popular import Popular


def fuse(batch: Batch, retrieved: Retrieved, mask_BI: NDArray[np.bool_], *, popular: Popular) -> Candidates:
    """The best `num_candidates` of every request, by its method and weights.

    Where the sources found fewer than the k that are asked for, the most popular allowed items follow, so that a reply
    holds k items whenever k are allowed.
    """
    rows_BC = np.full(retrieved.rows_SBC.shape[1:], PADDING, dtype=np.int64)
    fused_BC = np.full(rows_BC.shape, -np.inf, dtype=np.float32)
    for (width, *_), group_G in _alike(batch).items():
        query = batch.queries[group_G[0]]
        scores_GC, ids_GC = fuse_lists(
            list(retrieved.rows_SBC[:, group_G, :width]),
            list(retrieved.scores_SBC[:, group_G, :width]),
            width,
            method=query.fusion,
            weights=query.source_weights_S,
            norm=query.norm,
        )
        rows_BC[group_G, :width] = ids_GC
        fused_BC[group_G, :width] = scores_GC
    num_found_B = np.count_nonzero(rows_BC != PADDING, axis=1)
    for request, query in enumerate(batch.queries):
        if num_found_B[request] < query.k:
            found = int(num_found_B[request])
            _fill(rows_BC[request], fused_BC[request], found, query.k, mask_BI[request], popular)
    return Candidates(rows_BC=rows_BC, fused_BC=fused_BC, num_found_B=num_found_B)


def _alike(batch: Batch) -> dict[tuple[int, str, str, tuple[float, ...]], list[int]]:
    """Positions of the requests by what the kernel takes once per call: width, method, norm and weights."""
    groups: dict[tuple[int, str, str, tuple[float, ...]], list[int]] = defaultdict(list)
    for request, query in enumerate(batch.queries):
        groups[query.num_candidates, query.fusion, query.norm, query.source_weights_S].append(request)
    return groups


def _fill(
    rows_C: NDArray[np.int64],
    fused_C: NDArray[np.float32],
    found: int,
    k: int,
    mask_I: NDArray[np.bool_],
    popular: Popular,
) -> None:
    """Append popular items, each worth a little less than everything before it."""
    free_I = mask_I.copy()
    free_I[rows_C[:found]] = False
    rows = popular.retrieve(free_I[None, :], k - found).rows_BC[0]
    rows = rows[rows != PADDING]
    floor = float(fused_C[found - 1]) if found else 0.0
    rows_C[found : found + len(rows)] = rows
    fused_C[found : found + len(rows)] = floor - np.arange(1, len(rows) + 1) / (k + 1)
