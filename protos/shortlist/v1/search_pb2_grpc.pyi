"""Generated from the descriptors by protos/generate.py. DO NOT EDIT."""

from typing import Any, type_check_only

import grpc
import grpc.aio

from shortlist.v1 import search_pb2

class SearchServiceStub:
    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None: ...
    Search: grpc.UnaryUnaryMultiCallable[search_pb2.SearchRequest, search_pb2.SearchResponse]

@type_check_only
class SearchServiceAsyncStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    Search: grpc.aio.UnaryUnaryMultiCallable[search_pb2.SearchRequest, search_pb2.SearchResponse]

class SearchServiceServicer:
    def Search(self, request: search_pb2.SearchRequest, context: Any) -> Any: ...

def add_SearchServiceServicer_to_server(servicer: SearchServiceServicer, server: grpc.Server | grpc.aio.Server) -> None: ...
