"""fuse: the lists of the sources become one list of candidates per request.

Shapes: B requests, S sources, C candidates.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import structlog
from numpy.typing import NDArray

from shortlist_kernels import fuse as fuse_lists
from shortlist_server.pipeline.retrieve import Sources, report_failure
from shortlist_server.pipeline.sources import Source
from shortlist_server.pipeline.types import PADDING, Allowed, Batch, Candidates, Degraded, Profiles, Retrieved

log = structlog.get_logger(__name__)


def fuse(
    batch: Batch,
    profiles: Profiles,
    allowed: Allowed,
    retrieved: Retrieved,
    *,
    sources: Sources,
    num_threads: int,
) -> Candidates:
    """The best `num_candidates` of every request, by its method and weights.

    Where the sources found fewer than the k that are asked for, the best of the fallback source follow, without one the
    allowed items in the order of the catalogue, so that a reply holds k items whenever k are allowed.
    """
    scores_BC, rows_BC = _fuse_lists(batch, retrieved, num_threads)
    num_found_B = np.count_nonzero(rows_BC != PADDING, axis=1)
    short = np.array([index for index, query in enumerate(batch.queries) if num_found_B[index] < query.k], np.int64)
    if short.size:
        found = [rows_BC[index, : num_found_B[index]] for index in short]
        left = allowed.take(short).without(found)
        rows_to_add = _from_fallback(batch, profiles, left, short, sources.fallback)
        if rows_to_add is None:
            rows_to_add = [np.flatnonzero(left.mask_of(place, sources.num_items)) for place in range(len(short))]
        for index, rows in zip(short.tolist(), rows_to_add, strict=True):
            k, num_found = batch.queries[index].k, int(num_found_B[index])
            added = rows[: k - num_found]
            _append(scores_BC[index], rows_BC[index], num_found, added, k)
            if sources.fallback is None and added.size:
                _say_so(batch, index)
    return Candidates(scores_BC=scores_BC, rows_BC=rows_BC, num_found_B=num_found_B)


def _fuse_lists(batch: Batch, retrieved: Retrieved, num_threads: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rows_BC = np.full(retrieved.rows_SBC.shape[1:], PADDING, dtype=np.int64)
    scores_BC = np.full(rows_BC.shape, -np.inf, dtype=np.float32)
    for (width, *_), indices in _calls(batch).items():
        query = batch.queries[indices[0]]
        scores_BC[indices, :width], rows_BC[indices, :width] = fuse_lists(
            list(retrieved.rows_SBC[:, indices, :width]),
            list(retrieved.scores_SBC[:, indices, :width]),
            width,
            method=query.fusion,
            weights=query.source_weights_S,
            norm=query.norm,
            num_threads=num_threads,
        )
    return scores_BC, rows_BC


def _calls(batch: Batch) -> dict[tuple[int, str, str, tuple[float, ...]], list[int]]:
    """The indices of requests by what the kernel takes once per call: width, method, normalisation and weights."""
    groups: dict[tuple[int, str, str, tuple[float, ...]], list[int]] = defaultdict(list)
    for index, query in enumerate(batch.queries):
        groups[query.num_candidates, query.fusion, query.norm, query.source_weights_S].append(index)
    return groups


def _from_fallback(
    batch: Batch, profiles: Profiles, left: Allowed, short: NDArray[np.int64], fallback: Source | None
) -> list[NDArray[np.int64]] | None:
    """What the fallback source lists for each of these requests, of the items that are left; None when it cannot."""
    if fallback is None:
        return None
    most = max(batch.queries[index].k for index in short)
    contexts = tuple(batch.queries[index].context for index in short)
    try:
        _, rows_BC = fallback.query(profiles.take(short), contexts).retrieve(left, most)
    except Exception:
        # Whatever a source raises, the requests must not be lost.
        log.exception("left out of the answer", source=fallback.name, num_requests=len(short))
        report_failure(batch, fallback.name, "FUSE", short.tolist())
        return None
    return [rows_C[rows_C != PADDING] for rows_C in rows_BC]


def _append(
    scores_C: NDArray[np.float32], rows_C: NDArray[np.int64], num_found: int, added: NDArray[np.int64], k: int
) -> None:
    """Add rows behind those found, each worth a little less than everything before it."""
    floor = float(scores_C[num_found - 1]) if num_found else 0.0
    steps = np.arange(1, len(added) + 1) / (k + 1)
    rows_C[num_found : num_found + len(added)] = added
    # In proportion to the size of the scores, so that float32 can tell each from the next.
    scores_C[num_found : num_found + len(added)] = floor - max(1.0, abs(floor)) * steps


def _say_so(batch: Batch, request_index: int) -> None:
    """The candidates of `Rank` are not filled in, the caller has chosen them."""
    if batch.queries[request_index].candidate_ids is None:
        detail = "the package names no fallback source: the order of the catalogue filled the reply up"
        batch.degrade(request_index, Degraded(stage="FUSE", reason="NOT_IN_PACKAGE", detail=detail))
