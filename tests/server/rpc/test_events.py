"""EventService over a real port: all or none, once only, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from shortlist.v1.event_pb2 import (
    DeleteUserRequest,
    Event,
    ExportUserRequest,
    RecordEventsRequest,
    RecordEventsStreamRequest,
)
from shortlist.v1.event_pb2_grpc import EventServiceStub
from shortlist.v1.history_pb2 import EVENT_TYPE_PURCHASE, EVENT_TYPE_VIEW

Details = Callable[[grpc.RpcError], dict[str, Any]]


def event(**changes: Any) -> Event:
    fields: dict[str, Any] = {"user_id": "eve", "item_id": "item-001", "type": EVENT_TYPE_VIEW, "timestamp": 1000}
    return Event(**{**fields, **changes})


def exported(events: EventServiceStub, user_id: str) -> list[Event]:
    return [one for part in events.ExportUser(ExportUserRequest(user_id=user_id)) for one in part.events]


def test_events_are_recorded_once(events: EventServiceStub) -> None:
    request = RecordEventsRequest(events=[event(user_id="once"), event(user_id="once", timestamp=1001)])
    first, second = events.RecordEvents(request), events.RecordEvents(request)
    assert (first.num_recorded, first.num_duplicates) == (2, 0)
    assert (second.num_recorded, second.num_duplicates) == (0, 2)


def test_export_gives_everything_back_oldest_first(events: EventServiceStub) -> None:
    given = [
        event(user_id="out", item_id="not in the package", timestamp=30),
        event(user_id="out", type=EVENT_TYPE_PURCHASE, timestamp=10, value=2.5),
        event(user_id="out", item_id="ö" * 64, timestamp=20),
    ]
    events.RecordEvents(RecordEventsRequest(events=given))
    assert exported(events, "out") == sorted(given, key=lambda one: one.timestamp)
    assert exported(events, "nobody") == []


def test_a_stream_is_acknowledged_at_its_end(events: EventServiceStub) -> None:
    parts = [
        RecordEventsStreamRequest(events=[event(user_id="streamer", timestamp=part * 1000 + n + 1) for n in range(300)])
        for part in range(3)
    ]
    reply = events.RecordEventsStream(iter([*parts, parts[0]]))
    assert (reply.num_recorded, reply.num_duplicates) == (900, 300)
    assert len(exported(events, "streamer")) == 900


def test_an_empty_stream_records_nothing(events: EventServiceStub) -> None:
    assert events.RecordEventsStream(iter([])).num_recorded == 0


BAD: list[tuple[list[Event], str, str]] = [
    ([], "events", "0 entries, not 1..10000"),
    ([event()] * 10_001, "events", "10001 entries"),
    ([event(), event(user_id="")], "events[1].user_id", "'' has 0 bytes"),
    ([event(user_id="u" * 129)], "events[0].user_id", "129 bytes"),
    ([event(), event(), event(), event(item_id="")], "events[3].item_id", "''"),
    ([event(item_id="ö" * 65)], "events[0].item_id", "130 bytes"),
    ([event(type=0)], "events[0].type", "0 is not a type"),
    ([event(type=99)], "events[0].type", "99 is not a type"),
    ([event(type=-1)], "events[0].type", "-1 is not a type"),
    ([event(timestamp=-5)], "events[0].timestamp", "-5 is not in"),
    ([event(timestamp=253_402_300_800)], "events[0].timestamp", "253402300800"),
    ([event(value=math.nan)], "events[0].value", "nan"),
    ([event(value=math.inf)], "events[0].value", "inf"),
]


@pytest.mark.parametrize(("given", "field", "value"), BAD, ids=[f"{field}-{value}" for _, field, value in BAD])
def test_bad_events_are_named_by_index_and_none_is_recorded(
    given: list[Event], field: str, value: str, events: EventServiceStub, details: Details
) -> None:
    before = exported(events, "eve")
    with pytest.raises(grpc.RpcError) as refused:
        events.RecordEvents(RecordEventsRequest(events=given))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    violations = {one.field: one.description for one in details(refused.value)["BadRequest"].field_violations}
    assert value in violations[field]
    assert exported(events, "eve") == before


def test_a_bad_message_ends_a_stream(events: EventServiceStub) -> None:
    parts = [RecordEventsStreamRequest(events=[event(user_id="half")]), RecordEventsStreamRequest()]
    with pytest.raises(grpc.RpcError) as refused:
        events.RecordEventsStream(iter(parts))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_export_needs_a_user(events: EventServiceStub, details: Details) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        list(events.ExportUser(ExportUserRequest()))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(refused.value)["BadRequest"].field_violations[0].field == "user_id"


def test_delete_user_says_that_it_is_not_served(events: EventServiceStub) -> None:
    with pytest.raises(grpc.RpcError, match="DeleteUser is not served yet") as refused:
        events.DeleteUser(DeleteUserRequest(user_id="eve"))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
