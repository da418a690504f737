"""profile: what each user did, as recorded and as the request adds to it.

Shapes: B requests, L history positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import DEGRADATION_REASON_STATE_UNAVAILABLE, STAGE_PROFILE
from shortlist.v1.history_pb2 import EVENT_TYPE_DISLIKE
from shortlist_server.catalog.items import Catalog
from shortlist_server.errors import StateError
from shortlist_server.pipeline.batch import PADDING, Batch, Profiles
from shortlist_server.pipeline.query import GivenHistory
from shortlist_server.state.store import EMPTY_PROFILE, Profile, Store

log = structlog.get_logger(__name__)

Interaction = tuple[int, int, int]


def profile(batch: Batch, *, store: Store | None, catalog: Catalog, max_history: int) -> Profiles:
    """The users' histories in rows of the catalogue; items that it does not know are skipped.

    Without a store nothing is recorded. A store that cannot be read costs the recorded events, not the answer, and the
    request is noted as degraded.
    """
    num_requests = len(batch)
    rows_BL = np.full((num_requests, max_history), PADDING, dtype=np.int64)
    times_BL = np.zeros((num_requests, max_history), dtype=np.int64)
    seen_rows: list[NDArray[np.int64]] = []
    seen_types: list[NDArray[np.uint8]] = []
    num_unknown_B = np.zeros(num_requests, dtype=np.int64)
    recorded = _read(batch, store)
    for request, (stored, query) in enumerate(zip(recorded, batch.queries, strict=True)):
        interactions = merge(stored, query.history, catalog)
        history = history_of(interactions)[-max_history:]
        if history:
            rows_BL[request, -len(history) :] = [row for row, _, _ in history]
            times_BL[request, -len(history) :] = [timestamp for _, timestamp, _ in history]
        else:
            num_unknown_B[request] = _count_unknown(stored, query.history, catalog)
        last = {row: event_type for row, _, event_type in interactions}
        seen_rows.append(np.fromiter(last.keys(), np.int64, len(last)))
        seen_types.append(np.fromiter(last.values(), np.uint8, len(last)))
    return Profiles(
        history_rows_BL=rows_BL,
        history_times_BL=times_BL,
        seen_rows=tuple(seen_rows),
        seen_types=tuple(seen_types),
        num_unknown_B=num_unknown_B,
    )


def merge(stored: Profile, given: GivenHistory, catalog: Catalog) -> list[Interaction]:
    """(row, timestamp, type) of all known items by time, the recorded before the given where times are equal.

    A given history without timestamps happens at the moment of the last recorded event, or at 0 when there is none.
    """
    interactions = _interactions(catalog, stored.item_ids, stored.timestamps, stored.types)
    if not given.item_ids:
        return interactions
    timestamps = given.timestamps
    if timestamps is None:
        latest = int(stored.timestamps[-1]) if stored.item_ids else 0
        timestamps = np.full(len(given.item_ids), latest, dtype=np.int64)
    interactions += _interactions(catalog, given.item_ids, timestamps, given.types)
    interactions.sort(key=lambda interaction: interaction[1])
    return interactions


def history_of(interactions: Iterable[Interaction]) -> list[Interaction]:
    """The distinct items by their last interaction, dislikes left out."""
    latest: dict[int, Interaction] = {}
    for interaction in interactions:
        row, _, event_type = interaction
        if event_type != EVENT_TYPE_DISLIKE:
            latest.pop(row, None)
            latest[row] = interaction
    return list(latest.values())


def _count_unknown(stored: Profile, given: GivenHistory, catalog: Catalog) -> int:
    """The distinct items that the catalogue lacks, those that were only disliked left out."""
    item_ids = [*stored.item_ids, *given.item_ids]
    types = [*stored.types.tolist(), *given.types.tolist()]
    liked = {item_id for item_id, kind in zip(item_ids, types, strict=True) if kind != EVENT_TYPE_DISLIKE}
    return int(np.count_nonzero(catalog.rows(list(liked)) == PADDING))


def _interactions(
    catalog: Catalog, item_ids: Sequence[str], timestamps: NDArray[np.int64], types: NDArray[np.uint8]
) -> list[Interaction]:
    rows = catalog.rows(item_ids).tolist()
    return [known for known in zip(rows, timestamps.tolist(), types.tolist(), strict=True) if known[0] != PADDING]


def _read(batch: Batch, store: Store | None) -> list[Profile]:
    named = [request for request, query in enumerate(batch.queries) if query.user_id]
    recorded = [EMPTY_PROFILE] * len(batch)
    if store is None or not named:
        return recorded
    try:
        profiles = store.profiles([batch.queries[request].user_id for request in named])
    except StateError:
        log.exception("profiles could not be read together, reading one by one", num_users=len(named))
        profiles = [_read_alone(batch, request, store) for request in named]
    for request, stored in zip(named, profiles, strict=True):
        recorded[request] = stored
    return recorded


def _read_alone(batch: Batch, request: int, store: Store) -> Profile:
    """One user's profile: a record that cannot be read costs no other user of the batch theirs."""
    try:
        return store.profiles([batch.queries[request].user_id])[0]
    except StateError as error:
        batch.degrade(request, stage=STAGE_PROFILE, reason=DEGRADATION_REASON_STATE_UNAVAILABLE, detail=str(error))
        return EMPTY_PROFILE
