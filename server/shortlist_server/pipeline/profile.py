"""profile: what each user did, as recorded and as the request adds to it.

Shapes: B requests, L history positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.package import Package
from shortlist_server.errors import DamagedRecordError, StateError
from shortlist_server.pipeline.query import DISLIKE, GivenHistory
from shortlist_server.pipeline.types import PADDING, Batch, Degraded, Profiles
from shortlist_server.state.store import EMPTY_PROFILE, Profile, Store

log = structlog.get_logger(__name__)


def max_history_of(package: Package) -> int:
    """How many positions of a history anything in the package looks at; at least 1, to tell who has a history."""
    lengths = [source.max_history for source in package.sources]
    return max(1, *lengths, 0 if package.ranker is None else package.ranker.max_history)


def profile(batch: Batch, *, store: Store | None, catalog: Catalog, max_history: int) -> Profiles:
    """The users' histories in rows of the catalogue; items that it does not know are skipped.

    Without a store nothing is recorded. A store that cannot be read costs the recorded events, not the answer, and the
    request is noted as degraded.
    """
    recorded = _read(batch, store)
    known = _merge(batch, recorded, catalog)
    seen_places = known.last_of_each_item(catalog.num_items)
    history = known.at(np.sort(seen_places))
    if (known.types == DISLIKE).any():
        liked = known.at(np.flatnonzero(known.types != DISLIKE))
        history = liked.at(np.sort(liked.last_of_each_item(catalog.num_items)))
    rows_BL, times_BL, types_BL, values_BL = history.columns(len(batch), max_history)
    ends_B = np.searchsorted(known.requests[seen_places], np.arange(1, len(batch)))
    return Profiles(
        history_rows_BL=rows_BL,
        history_times_BL=times_BL,
        history_types_BL=types_BL,
        history_values_BL=values_BL,
        seen_rows=tuple(np.split(known.rows[seen_places], ends_B)),
        seen_types=tuple(np.split(known.types[seen_places], ends_B)),
        num_unknown_B=_count_unknown(batch, recorded, catalog, rows_BL[:, -1] == PADDING),
    )


class _Interactions(NamedTuple):
    """Of known items, by request, then by time, then in order of arrival, the recorded before the given."""

    requests: NDArray[np.int64]
    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    types: NDArray[np.uint8]
    values: NDArray[np.float32]

    def at(self, places: NDArray[np.int64]) -> _Interactions:
        """Some of them, in this order."""
        requests, rows, times, types, values = self
        return _Interactions(requests[places], rows[places], times[places], types[places], values[places])

    def last_of_each_item(self, num_items: int) -> NDArray[np.int64]:
        """The place of the last one of each request and item, by request, then by row."""
        keys = self.requests * num_items + self.rows
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        is_last = np.ones(len(keys), dtype=np.bool_)
        np.not_equal(keys[1:], keys[:-1], out=is_last[:-1])
        return np.asarray(order[is_last])

    def columns(
        self, num_requests: int, max_history: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.float32]]:
        """Rows, times, types and values of the last `max_history` of each request, (B, L).

        The newest stand at the last position; padding is -1 and 0s.
        """
        ends_B = np.searchsorted(self.requests, np.arange(num_requests), side="right")
        positions = max_history - ends_B[self.requests] + np.arange(len(self.rows))
        if len(positions) and positions.min() < 0:
            shown = np.flatnonzero(positions >= 0)
            return self.at(shown).columns(num_requests, max_history)
        shape, places = (num_requests, max_history), (self.requests, positions)
        rows_BL, times_BL = np.full(shape, PADDING, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        types_BL, values_BL = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.float32)
        rows_BL[places], times_BL[places] = self.rows, self.times
        types_BL[places], values_BL[places] = self.types, self.values
        return rows_BL, times_BL, types_BL, values_BL


def _merge(batch: Batch, recorded: Sequence[Profile], catalog: Catalog) -> _Interactions:
    """All interactions with items of the catalogue, those recorded and those given."""
    item_ids: list[str] = []
    parts: list[tuple[int, NDArray[np.int64], NDArray[np.uint8], NDArray[np.float32]]] = []
    for index, (stored, query) in enumerate(zip(recorded, batch.queries, strict=True)):
        given = query.history
        if stored.item_ids:
            item_ids += stored.item_ids
            parts.append((index, stored.timestamps, stored.types, stored.values))
        if given.item_ids:
            item_ids += given.item_ids
            parts.append((index, _times(stored, given), given.types, given.values))
    if not parts:
        return _NOTHING
    rows = catalog.rows(item_ids).astype(np.int64)
    indices, times, types, values = zip(*parts, strict=True)
    every = _Interactions(
        np.repeat(np.array(indices), [len(part) for part in times]),
        rows,
        np.concatenate(times),
        np.concatenate(types),
        np.concatenate(values),
    )
    order = np.lexsort((every.times, every.requests))
    return every.at(order[rows[order] != PADDING])


_NOTHING = _Interactions(
    np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.float32)
)


def _times(stored: Profile, given: GivenHistory) -> NDArray[np.int64]:
    """A given history without timestamps happens at the moment of the last recorded event, or at 0 if there is none."""
    if given.timestamps is not None:
        return given.timestamps
    latest = int(stored.timestamps[-1]) if stored.item_ids else 0
    return np.full(len(given.item_ids), latest, dtype=np.int64)


def _count_unknown(
    batch: Batch, recorded: Sequence[Profile], catalog: Catalog, cold_B: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Of users without history, the distinct items that the catalogue lacks, those that were only disliked left out."""
    num_unknown_B = np.zeros(len(batch), dtype=np.int64)
    for index in np.flatnonzero(cold_B).tolist():
        stored, given = recorded[index], batch.queries[index].history
        item_ids = [*stored.item_ids, *given.item_ids]
        types = [*stored.types.tolist(), *given.types.tolist()]
        liked = {item_id for item_id, kind in zip(item_ids, types, strict=True) if kind != DISLIKE}
        num_unknown_B[index] = np.count_nonzero(catalog.rows(list(liked)) == PADDING)
    return num_unknown_B


def _read(batch: Batch, store: Store | None) -> list[Profile]:
    """What is recorded of each request's user. A store that fails is asked once: each try may cost a timeout."""
    named = [index for index, query in enumerate(batch.queries) if query.user_id]
    recorded = [EMPTY_PROFILE] * len(batch)
    if store is None or not named:
        return recorded
    try:
        try:
            profiles = store.profiles([batch.queries[index].user_id for index in named])
        except DamagedRecordError:
            log.exception("a profile is damaged, reading user by user", num_users=len(named))
            profiles = [_read_alone(batch, index, store) for index in named]
    except StateError as error:
        log.exception("profiles could not be read", num_users=len(named))
        for index in named:
            _degrade(batch, index, error)
        return recorded
    for index, stored in zip(named, profiles, strict=True):
        recorded[index] = stored
    return recorded


def _read_alone(batch: Batch, request_index: int, store: Store) -> Profile:
    """One user's profile: a damaged record costs no other user of the batch theirs."""
    try:
        return store.profiles([batch.queries[request_index].user_id])[0]
    except DamagedRecordError as error:
        _degrade(batch, request_index, error)
        return EMPTY_PROFILE


def _degrade(batch: Batch, request_index: int, error: StateError) -> None:
    batch.degrade(request_index, Degraded(stage="PROFILE", reason="STATE_UNAVAILABLE", detail=str(error)))
