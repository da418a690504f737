"""encode: domain to protobuf; whole replies.

Shapes: B requests, C candidates, K results.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, cast

from shortlist.v1 import answer_pb2 as pb
from shortlist.v1.manifest_pb2 import Manifest
from shortlist.v1.recommendation_pb2 import RankResponse, RecommendResponse
from shortlist_server.batching.deadline import deadline_passed_error
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.types import (
    PADDING,
    Batch,
    BecauseOf,
    ColdStart,
    Degraded,
    FoundBy,
    Reason,
    ScoreParts,
    Trace,
)

Reply = RecommendResponse | RankResponse

# Numbers of the contract by the words that the stages use.
STAGES: Final = {name.removeprefix("STAGE_"): cast("pb.Stage", number) for name, number in pb.Stage.items()}
REASONS: Final = {
    name.removeprefix("DEGRADATION_REASON_"): cast("pb.DegradationReason", number)
    for name, number in pb.DegradationReason.items()
}


def encode(
    batch: Batch,
    found: Trace,
    reasons: Sequence[Sequence[Sequence[Reason]]],
    *,
    catalog: Catalog,
    version: pb.PackageVersion,
    timings_ns: Sequence[tuple[str, int]],
) -> list[Reply | Exception]:
    """A whole reply per request, or the error of one for which nobody waits any more.

    `timings_ns` are those of the stages before; that of this one is what passed until the timings are written.
    """
    started_ns = time.perf_counter_ns()
    live = set(batch.live())
    names = _Names(catalog)
    outcomes: list[Reply | Exception] = [
        _encode_one(index, batch, found, reasons[index], names, version) if index in live else deadline_passed_error()
        for index in range(len(batch))
    ]
    timings = encode_timings([*timings_ns, ("encode", time.perf_counter_ns() - started_ns)])
    for index in live:
        reply = outcomes[index]
        assert not isinstance(reply, Exception)
        reply.timings.extend([*encode_timings([("queue", batch.queued_ns[index])]), *timings])
    return outcomes


def version_of(manifest: Manifest) -> pb.PackageVersion:
    """Which package answers."""
    return pb.PackageVersion(name=manifest.name, id=manifest.id)


def encode_timings(timings_ns: Sequence[tuple[str, int]]) -> list[pb.StageTiming]:
    """Microseconds of each stage."""
    return [
        pb.StageTiming(stage=STAGES[name.upper()], duration_us=duration_ns // 1000) for name, duration_ns in timings_ns
    ]


class _Names(dict[int, tuple[str, str]]):
    """The id and the title of the items of a batch, by row: many replies and reasons hold the same items."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self.catalog = catalog

    def __missing__(self, row: int) -> tuple[str, str]:
        self[row] = self.catalog.item_ids[row], self.catalog.titles[row]
        return self[row]


def _encode_one(
    request_index: int,
    batch: Batch,
    found: Trace,
    reasons: Sequence[Sequence[Reason]],
    names: _Names,
    version: pb.PackageVersion,
) -> Reply:
    """All of one reply but its timings."""
    candidate_ids = batch.queries[request_index].candidate_ids
    reply: Reply = RecommendResponse() if candidate_ids is None else RankResponse()
    if isinstance(reply, RankResponse):
        reply.item_errors.extend(_item_errors(candidate_ids or (), names.catalog))
    candidates = found.ranking.candidates_BK[request_index]
    candidates_K = candidates[candidates != PADDING]
    rows = found.candidates.rows_BC[request_index, candidates_K].tolist()
    values = found.scored.values_BC[request_index, candidates_K].tolist()
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        item_id, title = names[row]
        item = reply.items.add(item_id=item_id, title=title, score=value)
        for reason in reasons[place] if reasons else ():
            _add_reason(item.reasons.add(), reason, names)
    reply.package.CopyFrom(version)
    reply.degraded.extend(map(_encode_degraded, batch.degraded[request_index]))
    reply.relevance_lost = float(found.ranking.relevance_lost_B[request_index])
    return reply


def _add_reason(message: pb.Reason, reason: Reason, names: _Names) -> None:
    """Written in place: a message that is put into another one is copied, with all that it holds."""
    match reason:
        case BecauseOf():
            message.because_of.source = reason.source
            add = message.because_of.contributions.add
            for row, part in zip(reason.rows.tolist(), reason.parts.tolist(), strict=True):
                item_id, title = names[row]
                add(item_id=item_id, title=title, contribution=part)
        case FoundBy():
            found = message.found_by
            found.source, found.rank, found.score = reason.source, reason.rank, reason.score
        case ColdStart():
            cold = message.cold_start
            cold.source, cold.rank, cold.score = reason.source, reason.rank, reason.score
        case ScoreParts():
            _fill_score_parts(message.score_parts, reason)


def _fill_score_parts(message: pb.ScoreParts, parts: ScoreParts) -> None:
    message.fused, message.diversity_penalty = parts.fused, parts.diversity_penalty
    if parts.ranker is not None:
        message.ranker = parts.ranker
    for head in parts.heads:
        message.heads.add(name=head.name, probability=head.probability, weight=head.weight)


def _encode_degraded(degraded: Degraded) -> pb.Degradation:
    return pb.Degradation(
        stage=STAGES[degraded.stage],
        source=degraded.source,
        reason=REASONS[degraded.reason],
        detail=degraded.detail,
    )


def _item_errors(item_ids: Sequence[str], catalog: Catalog) -> list[pb.ItemError]:
    """The candidates of `Rank` that are unknown or repeated, in the order given."""
    errors, met = [], set()
    for item_id, row in zip(item_ids, catalog.rows(item_ids).tolist(), strict=True):
        if row == PADDING:
            errors.append(pb.ItemError(item_id=item_id, reason=pb.ITEM_ERROR_REASON_UNKNOWN))
        elif item_id in met:
            errors.append(pb.ItemError(item_id=item_id, reason=pb.ITEM_ERROR_REASON_DUPLICATE))
        met.add(item_id)
    return errors
