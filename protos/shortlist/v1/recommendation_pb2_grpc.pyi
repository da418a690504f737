"""Generated from the descriptors by protos/generate.py. DO NOT EDIT."""

from typing import Any, type_check_only

import grpc
import grpc.aio

from shortlist.v1 import recommendation_pb2

class RecommendationServiceStub:
    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None: ...
    Recommend: grpc.UnaryUnaryMultiCallable[recommendation_pb2.RecommendRequest, recommendation_pb2.RecommendResponse]
    RecommendBatch: grpc.UnaryUnaryMultiCallable[recommendation_pb2.RecommendBatchRequest, recommendation_pb2.RecommendBatchResponse]
    RecommendStream: grpc.StreamStreamMultiCallable[recommendation_pb2.RecommendStreamRequest, recommendation_pb2.RecommendStreamResponse]
    Rank: grpc.UnaryUnaryMultiCallable[recommendation_pb2.RankRequest, recommendation_pb2.RankResponse]
    SimilarItems: grpc.UnaryUnaryMultiCallable[recommendation_pb2.SimilarItemsRequest, recommendation_pb2.SimilarItemsResponse]
    Explain: grpc.UnaryUnaryMultiCallable[recommendation_pb2.ExplainRequest, recommendation_pb2.ExplainResponse]

@type_check_only
class RecommendationServiceAsyncStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    Recommend: grpc.aio.UnaryUnaryMultiCallable[recommendation_pb2.RecommendRequest, recommendation_pb2.RecommendResponse]
    RecommendBatch: grpc.aio.UnaryUnaryMultiCallable[recommendation_pb2.RecommendBatchRequest, recommendation_pb2.RecommendBatchResponse]
    RecommendStream: grpc.aio.StreamStreamMultiCallable[recommendation_pb2.RecommendStreamRequest, recommendation_pb2.RecommendStreamResponse]
    Rank: grpc.aio.UnaryUnaryMultiCallable[recommendation_pb2.RankRequest, recommendation_pb2.RankResponse]
    SimilarItems: grpc.aio.UnaryUnaryMultiCallable[recommendation_pb2.SimilarItemsRequest, recommendation_pb2.SimilarItemsResponse]
    Explain: grpc.aio.UnaryUnaryMultiCallable[recommendation_pb2.ExplainRequest, recommendation_pb2.ExplainResponse]

class RecommendationServiceServicer:
    def Recommend(self, request: recommendation_pb2.RecommendRequest, context: Any) -> Any: ...
    def RecommendBatch(self, request: recommendation_pb2.RecommendBatchRequest, context: Any) -> Any: ...
    def RecommendStream(self, request_iterator: Any, context: Any) -> Any: ...
    def Rank(self, request: recommendation_pb2.RankRequest, context: Any) -> Any: ...
    def SimilarItems(self, request: recommendation_pb2.SimilarItemsRequest, context: Any) -> Any: ...
    def Explain(self, request: recommendation_pb2.ExplainRequest, context: Any) -> Any: ...

def add_RecommendationServiceServicer_to_server(servicer: RecommendationServiceServicer, server: grpc.Server | grpc.aio.Server) -> None: ...
