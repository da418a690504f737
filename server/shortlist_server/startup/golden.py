"""Compares what this server answers with what the trainer's own code answered and stored in the package.

Shapes: C candidates, K results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.package.errors import PackageError
from shortlist.package.layout import GOLDEN
from shortlist.v1.history_pb2 import History
from shortlist.v1.manifest_pb2 import GoldenList, GoldenRequest
from shortlist.v1.recommendation_pb2 import RecommendRequest
from shortlist_server.batching.deadline import UNLIMITED
from shortlist_server.pipeline.decode import decode
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.types import PADDING, Batch, Trace


def replay_golden(pipeline: Pipeline) -> int:
    """Send the package's golden requests through the pipeline; returns how many there are.

    Raises PackageError naming the request, the list (a source, `fused` or `ranked`) and the first difference.
    """
    golden = pipeline.package.golden
    for index, request in enumerate(golden.requests):
        path = f"requests[{index}]"
        trace = _answer(pipeline, request, path)
        for name, expected, found in _lists(pipeline, request, trace, path):
            difference = _first_difference(expected, found, golden.tolerance)
            if difference:
                raise PackageError(GOLDEN, f"{path}: {name}: {difference}")
    return len(golden.requests)


class _Answered(NamedTuple):
    """A list as this server found it; unlike a golden one it may hold a score that is not finite."""

    item_ids: list[str]
    scores: list[float]


def _answer(pipeline: Pipeline, golden: GoldenRequest, path: str) -> Trace:
    """What the stages found for one golden request; PackageError when it is refused or a part of the package fails."""
    history = History(
        item_ids=[event.item_id for event in golden.history],
        timestamps=[event.timestamp for event in golden.history],
    )
    # A user without history has to be somebody; nothing is recorded of this one.
    request = RecommendRequest(user_id="" if golden.history else "golden", history=history, k=golden.k)
    query = decode([request], pipeline.defaults, now=0)[0]
    if not isinstance(query, Query):
        raise PackageError(GOLDEN, f"{path}: {query}")
    batch = Batch((query,), (UNLIMITED,))
    _, trace = pipeline.answer(batch)
    for failed in (one for one in batch.degraded[0] if one.reason == "FAILED"):
        raise PackageError(GOLDEN, f"{path}: {failed.detail}")
    return trace


def _lists(
    pipeline: Pipeline, golden: GoldenRequest, trace: Trace, path: str
) -> Iterator[tuple[str, GoldenList, _Answered]]:
    """(name, expected, found) of every list of one golden request."""
    retrieved, scored = trace.retrieved, trace.scored
    place_of = {source.name: place for place, source in enumerate(pipeline.package.sources)}
    for expected in golden.sources:
        if expected.name not in place_of:
            raise PackageError(GOLDEN, f"{path}: {expected.name!r} is not a source of the package")
        place = place_of[expected.name]
        found = _top(pipeline, retrieved.rows_SBC[place, 0], retrieved.scores_SBC[place, 0], golden.k)
        yield expected.name, expected.list, found
    fused = trace.candidates
    yield "fused", golden.fused, _top(pipeline, fused.rows_BC[0], fused.scores_BC[0], golden.k)
    chosen = trace.ranking.candidates_BK[0]
    chosen = chosen[chosen != PADDING]
    yield "ranked", golden.ranked, _top(pipeline, fused.rows_BC[0, chosen], scored.values_BC[0, chosen], golden.k)


def _top(pipeline: Pipeline, rows_C: NDArray[np.int64], scores_C: NDArray[np.float32], k: int) -> _Answered:
    rows_K = rows_C[rows_C != PADDING][:k]
    return _Answered(pipeline.package.catalog.item_ids.take(rows_K.tolist()), scores_C[: len(rows_K)].tolist())


def _first_difference(expected: GoldenList, found: _Answered, tolerance: float) -> str | None:
    """What differs first; scores may by the tolerance (relative above 1), ids where their scores are that close."""
    if len(expected.item_ids) != len(found.item_ids):
        return f"{len(found.item_ids)} items, the package says {len(expected.item_ids)}"
    for place, (item_id, score) in enumerate(zip(expected.item_ids, expected.scores, strict=True)):
        here_id, here = found.item_ids[place], found.scores[place]
        if not _close(score, here, tolerance):
            return f"place {place + 1} has score {here:.6g}, the package says {score:.6g}"
        if item_id != here_id and not _close(score, _score_of(item_id, found.item_ids, found.scores), tolerance):
            return f"place {place + 1} holds {here_id!r}, the package says {item_id!r}"
    return None


def _score_of(item_id: str, item_ids: Sequence[str], scores: Sequence[float]) -> float:
    """The item's score; that of the last item when it is not listed: then it may only have missed by a hair."""
    return scores[item_ids.index(item_id)] if item_id in item_ids else scores[-1]


def _close(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance * max(1.0, abs(one))
