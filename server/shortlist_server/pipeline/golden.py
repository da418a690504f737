"""Compares what this server answers with what the trainer's own code answered and stored in the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import DEGRADATION_REASON_FAILED
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import RecommendRequest
from shortlist_server.catalog.golden import GoldenList, GoldenRequest, load_golden
from shortlist_server.errors import PackageError
from shortlist_server.pipeline.batch import PADDING, Batch
from shortlist_server.pipeline.decode import decode
from shortlist_server.pipeline.ladder import StageCosts
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.query import Defaults, Query
from shortlist_server.pipeline.stopwatch import Stopwatch
from shortlist_server.pipeline.task import UNLIMITED, Task


def replay_golden(pipeline: Pipeline) -> int:
    """Send the package's golden requests through the funnel; returns how many there are.

    Raises PackageError naming the request, the list (a source, `fused` or `ranked`) and the first difference.
    """
    golden = load_golden(pipeline.package)
    for position, request in enumerate(golden.requests):
        for name, expected, found in _lists(pipeline, request):
            difference = _first_difference(expected, found, golden.tolerance)
            if difference:
                raise PackageError(pipeline.package.manifest.golden, f"requests.{position}: {name}: {difference}")
    return len(golden.requests)


class _Answered(NamedTuple):
    """A list as this server found it; unlike a golden one it may hold a score that is not finite."""

    item_ids: tuple[str, ...]
    scores: tuple[float, ...]


def _lists(pipeline: Pipeline, golden: GoldenRequest) -> list[tuple[str, GoldenList, _Answered]]:
    """(name, expected, found) of every list of one golden request."""
    history = History(
        item_ids=[event.item_id for event in golden.history],
        timestamps=[event.timestamp for event in golden.history],
    )
    # A user without history has to be somebody; nothing is recorded of this one.
    request = RecommendRequest(user_id="" if golden.history else "golden", history=history, k=golden.k)
    query = decode([request], Defaults.of(pipeline.package))[0]
    reply = pipeline.run([Task(request)])[0]
    if not isinstance(query, Query) or isinstance(reply, Exception):
        raise PackageError(pipeline.package.manifest.golden, f"a request cannot be answered: {query or reply}")
    found = pipeline.find(Batch((query,), (UNLIMITED,)), Stopwatch(StageCosts(), 1))
    lists = []
    for number, source in enumerate(pipeline.sources):
        if source.name in golden.sources:
            rows_C, scores_C = found.retrieved.rows_SBC[number, 0], found.retrieved.scores_SBC[number, 0]
            lists.append((source.name, golden.sources[source.name], _top(pipeline, rows_C, scores_C, golden.k)))
    fused = _top(pipeline, found.candidates.rows_BC[0], found.candidates.fused_BC[0], golden.k)
    for failed in (one for one in reply.degraded if one.reason == DEGRADATION_REASON_FAILED):
        raise PackageError(pipeline.package.manifest.golden, f"a request met a fault: {failed.detail}")
    ranked = _Answered(
        item_ids=tuple(item.item_id for item in reply.items), scores=tuple(item.score for item in reply.items)
    )
    return [*lists, ("fused", golden.fused, fused), ("ranked", golden.ranked, ranked)]


def _top(pipeline: Pipeline, rows_C: NDArray[np.int64], scores_C: NDArray[np.float32], k: int) -> _Answered:
    rows_K = rows_C[rows_C != PADDING][:k]
    ids = pipeline.package.catalog.item_ids[rows_K].tolist()
    return _Answered(item_ids=tuple(ids), scores=tuple(scores_C[: len(rows_K)].tolist()))


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
