"""Generated from the descriptors by protos/generate.py. DO NOT EDIT."""

from typing import Any, type_check_only

import grpc
import grpc.aio

from shortlist.v1 import catalog_pb2

class CatalogServiceStub:
    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None: ...
    UpsertItems: grpc.UnaryUnaryMultiCallable[catalog_pb2.UpsertItemsRequest, catalog_pb2.UpsertItemsResponse]
    DeleteItems: grpc.UnaryUnaryMultiCallable[catalog_pb2.DeleteItemsRequest, catalog_pb2.DeleteItemsResponse]
    GetItems: grpc.UnaryUnaryMultiCallable[catalog_pb2.GetItemsRequest, catalog_pb2.GetItemsResponse]
    SetAvailability: grpc.UnaryUnaryMultiCallable[catalog_pb2.SetAvailabilityRequest, catalog_pb2.SetAvailabilityResponse]

@type_check_only
class CatalogServiceAsyncStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    UpsertItems: grpc.aio.UnaryUnaryMultiCallable[catalog_pb2.UpsertItemsRequest, catalog_pb2.UpsertItemsResponse]
    DeleteItems: grpc.aio.UnaryUnaryMultiCallable[catalog_pb2.DeleteItemsRequest, catalog_pb2.DeleteItemsResponse]
    GetItems: grpc.aio.UnaryUnaryMultiCallable[catalog_pb2.GetItemsRequest, catalog_pb2.GetItemsResponse]
    SetAvailability: grpc.aio.UnaryUnaryMultiCallable[catalog_pb2.SetAvailabilityRequest, catalog_pb2.SetAvailabilityResponse]

class CatalogServiceServicer:
    def UpsertItems(self, request: catalog_pb2.UpsertItemsRequest, context: Any) -> Any: ...
    def DeleteItems(self, request: catalog_pb2.DeleteItemsRequest, context: Any) -> Any: ...
    def GetItems(self, request: catalog_pb2.GetItemsRequest, context: Any) -> Any: ...
    def SetAvailability(self, request: catalog_pb2.SetAvailabilityRequest, context: Any) -> Any: ...

def add_CatalogServiceServicer_to_server(servicer: CatalogServiceServicer, server: grpc.Server | grpc.aio.Server) -> None: ...
