"""Generated from the descriptors by protos/generate.py. DO NOT EDIT."""

from typing import Any, type_check_only

import grpc
import grpc.aio

from shortlist.v1 import package_pb2

class PackageServiceStub:
    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None: ...
    ListPackages: grpc.UnaryUnaryMultiCallable[package_pb2.ListPackagesRequest, package_pb2.ListPackagesResponse]
    LoadPackage: grpc.UnaryUnaryMultiCallable[package_pb2.LoadPackageRequest, package_pb2.LoadPackageResponse]
    ActivatePackage: grpc.UnaryUnaryMultiCallable[package_pb2.ActivatePackageRequest, package_pb2.ActivatePackageResponse]
    Rollback: grpc.UnaryUnaryMultiCallable[package_pb2.RollbackRequest, package_pb2.RollbackResponse]
    GetStatus: grpc.UnaryUnaryMultiCallable[package_pb2.GetStatusRequest, package_pb2.GetStatusResponse]

@type_check_only
class PackageServiceAsyncStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    ListPackages: grpc.aio.UnaryUnaryMultiCallable[package_pb2.ListPackagesRequest, package_pb2.ListPackagesResponse]
    LoadPackage: grpc.aio.UnaryUnaryMultiCallable[package_pb2.LoadPackageRequest, package_pb2.LoadPackageResponse]
    ActivatePackage: grpc.aio.UnaryUnaryMultiCallable[package_pb2.ActivatePackageRequest, package_pb2.ActivatePackageResponse]
    Rollback: grpc.aio.UnaryUnaryMultiCallable[package_pb2.RollbackRequest, package_pb2.RollbackResponse]
    GetStatus: grpc.aio.UnaryUnaryMultiCallable[package_pb2.GetStatusRequest, package_pb2.GetStatusResponse]

class PackageServiceServicer:
    def ListPackages(self, request: package_pb2.ListPackagesRequest, context: Any) -> Any: ...
    def LoadPackage(self, request: package_pb2.LoadPackageRequest, context: Any) -> Any: ...
    def ActivatePackage(self, request: package_pb2.ActivatePackageRequest, context: Any) -> Any: ...
    def Rollback(self, request: package_pb2.RollbackRequest, context: Any) -> Any: ...
    def GetStatus(self, request: package_pb2.GetStatusRequest, context: Any) -> Any: ...

def add_PackageServiceServicer_to_server(servicer: PackageServiceServicer, server: grpc.Server | grpc.aio.Server) -> None: ...
