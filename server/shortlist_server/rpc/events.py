"""EventService: what users do, durable before it is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
from grpc import aio

from shortlist.v1.event_pb2 import (
    DeleteUserRequest,
    DeleteUserResponse,
    Event,
    ExportUserRequest,
    ExportUserResponse,
    RecordEventsRequest,
    RecordEventsResponse,
    RecordEventsStreamRequest,
    RecordEventsStreamResponse,
)
from shortlist.v1.event_pb2_grpc import EventServiceServicer
from shortlist.vocabulary import EVENT_TYPES, MAX_EVENTS_PER_MESSAGE, MAX_TIMESTAMP
from shortlist_server.errors import NotServedError
from shortlist_server.pipeline.decoding.violations import Violations
from shortlist_server.state.group_commit import GroupCommit
from shortlist_server.state.store import EventBatch, Store

Context = aio.ServicerContext[Any, Any]

# Checking so many takes half a millisecond, which the event loop can spare (measured on one core of 2).
MAX_INLINE_EVENTS = 200
KNOWN_TYPES = frozenset(EVENT_TYPES.values())


class EventService(EventServiceServicer):
    """Checks events, has the group commit record them, and reads them back from the store."""

    def __init__(self, store: Store, commit: GroupCommit) -> None:
        self._store = store
        self._commit = commit

    async def RecordEvents(self, request: RecordEventsRequest, context: Context) -> RecordEventsResponse:
        """Record all events of the message, or none; returns how many were new once they are durable."""
        num_recorded = await self._record(request.events)
        return RecordEventsResponse(num_recorded=num_recorded, num_duplicates=len(request.events) - num_recorded)

    async def RecordEventsStream(
        self, request_iterator: AsyncIterator[RecordEventsStreamRequest], context: Context
    ) -> RecordEventsStreamResponse:
        """Record one message after the other, each as `RecordEvents` does; returns the counts of all at the end.

        What was recorded before a message that is refused stays recorded.
        """
        num_recorded = num_events = 0
        async for request in request_iterator:
            num_recorded += await self._record(request.events)
            num_events += len(request.events)
        return RecordEventsStreamResponse(num_recorded=num_recorded, num_duplicates=num_events - num_recorded)

    async def ExportUser(self, request: ExportUserRequest, context: Context) -> AsyncIterator[ExportUserResponse]:
        """Return everything recorded about one user, in time order."""
        violations = Violations()
        violations.check_id("user_id", request.user_id)
        violations.raise_if_any()
        batches = self._store.export(request.user_id, MAX_EVENTS_PER_MESSAGE)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            events = encode_events(batch)
            for start in range(0, len(events), MAX_EVENTS_PER_MESSAGE):
                yield ExportUserResponse(events=events[start : start + MAX_EVENTS_PER_MESSAGE])

    async def DeleteUser(self, request: DeleteUserRequest, context: Context) -> DeleteUserResponse:
        """Not served yet."""
        raise NotServedError("DeleteUser is not served yet")

    async def _record(self, events: Sequence[Event]) -> int:
        if len(events) <= MAX_INLINE_EVENTS:
            batch = decode_events(events)
        else:  # checking thousands of events would hold up the event loop
            batch = await asyncio.to_thread(decode_events, events)
        return await self._commit.append(batch)


def decode_events(events: Sequence[Event]) -> EventBatch:
    """The events as columns. Raises InvalidRequestError with every violation found."""
    violations = Violations()
    if violations.check_count("events", events, MAX_EVENTS_PER_MESSAGE, low=1):
        for event_index, event in enumerate(events):
            _check_event(f"events[{event_index}]", event, violations)
    violations.raise_if_any()
    return EventBatch(
        user_ids=[event.user_id for event in events],
        item_ids=[event.item_id for event in events],
        types=np.array([event.type for event in events], dtype=np.uint8),
        timestamps=np.array([event.timestamp for event in events], dtype=np.int64),
        values=np.array([event.value for event in events], dtype=np.float32),
    )


def encode_events(batch: EventBatch) -> list[Event]:
    """The columns as events."""
    columns = (batch.user_ids, batch.item_ids, batch.types.tolist(), batch.timestamps.tolist(), batch.values.tolist())
    return [
        Event(user_id=user_id, item_id=item_id, type=event_type, timestamp=timestamp, value=value)
        for user_id, item_id, event_type, timestamp, value in zip(*columns, strict=True)
    ]


def _check_event(field: str, event: Event, violations: Violations) -> None:
    violations.check_id(f"{field}.user_id", event.user_id)
    violations.check_id(f"{field}.item_id", event.item_id)
    if event.type not in KNOWN_TYPES:
        violations.add(f"{field}.type", f"{event.type} is not a type of event")
    violations.check_integer(f"{field}.timestamp", event.timestamp, 0, MAX_TIMESTAMP)
    if not np.isfinite(event.value):
        violations.add(f"{field}.value", f"{event.value} is not finite")
