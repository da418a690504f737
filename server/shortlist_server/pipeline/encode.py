"""encode: domain to protobuf.

Shapes: B requests, C candidates, K results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shortlist.v1.answer_pb2 import (
    ITEM_ERROR_REASON_DUPLICATE,
    ITEM_ERROR_REASON_UNKNOWN,
    Degradation,
    ItemError,
    RankedItem,
    Reason,
    StageTiming,
)
from shortlist_server.catalog.items import Catalog
from shortlist_server.pipeline.batch import PADDING, Batch, Degraded, Ranking, Scored


def encode(
    batch: Batch, scored: Scored, ranking: Ranking, reasons: Sequence[Sequence[Sequence[Reason]]], *, catalog: Catalog
) -> list[list[RankedItem]]:
    """The items of every reply, best first."""
    return [_encode_items(request, scored, ranking, reasons[request], catalog) for request in range(len(batch))]


def _encode_items(
    request: int, scored: Scored, ranking: Ranking, reasons: Sequence[Sequence[Reason]], catalog: Catalog
) -> list[RankedItem]:
    """The items of one reply."""
    positions = ranking.positions_BK[request]
    positions_K = positions[positions != PADDING]
    rows_K = scored.rows_BC[request, positions_K]
    values = scored.values_BC[request, positions_K].tolist()
    ids, titles = catalog.item_ids[rows_K], catalog.titles[rows_K]
    explained = reasons or [()] * len(values)
    return [
        RankedItem(item_id=item_id, score=value, title=title, reasons=why)
        for item_id, value, title, why in zip(ids, values, titles, explained, strict=True)
    ]


def encode_degraded(degraded: Iterable[Degraded]) -> list[Degradation]:
    """What one reply went without."""
    return [
        Degradation(stage=one.stage, source=one.source, reason=one.reason, detail=one.detail)  # type: ignore[arg-type]
        for one in degraded
    ]


def encode_timings(queued_ns: int, timings_ns: Iterable[tuple[str, int]]) -> list[StageTiming]:
    """Microseconds of each stage, the time in the queue first."""
    stages = [("queue", queued_ns), *timings_ns]
    return [StageTiming(stage=f"STAGE_{name.upper()}", duration_us=duration_ns // 1000) for name, duration_ns in stages]


def encode_item_errors(item_ids: Sequence[str], catalog: Catalog) -> list[ItemError]:
    """The candidates of `Rank` that are unknown or repeated, in the order given."""
    errors, met = [], set()
    for item_id, row in zip(item_ids, catalog.rows(item_ids).tolist(), strict=True):
        if row == PADDING:
            errors.append(ItemError(item_id=item_id, reason=ITEM_ERROR_REASON_UNKNOWN))
        elif item_id in met:
            errors.append(ItemError(item_id=item_id, reason=ITEM_ERROR_REASON_DUPLICATE))
        met.add(item_id)
    return errors
