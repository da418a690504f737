"""Generated from the descriptors by protos/generate.py. DO NOT EDIT."""

from typing import Any, type_check_only

import grpc
import grpc.aio

from shortlist.v1 import event_pb2

class EventServiceStub:
    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None: ...
    RecordEvents: grpc.UnaryUnaryMultiCallable[event_pb2.RecordEventsRequest, event_pb2.RecordEventsResponse]
    RecordEventsStream: grpc.StreamUnaryMultiCallable[event_pb2.RecordEventsStreamRequest, event_pb2.RecordEventsStreamResponse]
    ExportUser: grpc.UnaryStreamMultiCallable[event_pb2.ExportUserRequest, event_pb2.ExportUserResponse]
    DeleteUser: grpc.UnaryUnaryMultiCallable[event_pb2.DeleteUserRequest, event_pb2.DeleteUserResponse]

@type_check_only
class EventServiceAsyncStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    RecordEvents: grpc.aio.UnaryUnaryMultiCallable[event_pb2.RecordEventsRequest, event_pb2.RecordEventsResponse]
    RecordEventsStream: grpc.aio.StreamUnaryMultiCallable[event_pb2.RecordEventsStreamRequest, event_pb2.RecordEventsStreamResponse]
    ExportUser: grpc.aio.UnaryStreamMultiCallable[event_pb2.ExportUserRequest, event_pb2.ExportUserResponse]
    DeleteUser: grpc.aio.UnaryUnaryMultiCallable[event_pb2.DeleteUserRequest, event_pb2.DeleteUserResponse]

class EventServiceServicer:
    def RecordEvents(self, request: event_pb2.RecordEventsRequest, context: Any) -> Any: ...
    def RecordEventsStream(self, request_iterator: Any, context: Any) -> Any: ...
    def ExportUser(self, request: event_pb2.ExportUserRequest, context: Any) -> Any: ...
    def DeleteUser(self, request: event_pb2.DeleteUserRequest, context: Any) -> Any: ...

def add_EventServiceServicer_to_server(servicer: EventServiceServicer, server: grpc.Server | grpc.aio.Server) -> None: ...
