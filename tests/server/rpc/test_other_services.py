"""Health, reflection, packages, and the services that are not built yet."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from shortlist.v1 import catalog_pb2, package_pb2
from shortlist.v1.catalog_pb2_grpc import CatalogServiceStub
from shortlist.v1.package_pb2_grpc import PackageServiceStub

OWN = {
    "shortlist.v1.RecommendationService",
    "shortlist.v1.SearchService",
    "shortlist.v1.EventService",
    "shortlist.v1.CatalogService",
    "shortlist.v1.PackageService",
}


@pytest.mark.parametrize("service", ["", *sorted(OWN)])
def test_health_says_serving_for_each_service(service: str, channel: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING


def test_health_does_not_know_other_services(channel: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.RpcError) as refused:
        stub.Check(health_pb2.HealthCheckRequest(service="nope"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "method",
    [
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_bytes_that_are_no_message_are_the_callers_fault(method: str, channel: grpc.Channel) -> None:
    call: Any = channel.unary_unary(f"/{method}")
    with pytest.raises(grpc.RpcError) as refused:
        call(b"\xff\xff", timeout=30)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_the_services_and_describes_them(version: str, channel: grpc.Channel) -> None:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (listed,) = call(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = [service.name for service in listed.list_services_response.service]
    assert set(names) == OWN | {
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    replies = call(iter([reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in names]))
    for name, described in zip(names, replies, strict=True):
        files = [
            FileDescriptorProto.FromString(one) for one in described.file_descriptor_response.file_descriptor_proto
        ]
        assert name in {f"{file.package}.{service.name}" for file in files for service in file.service}


def test_status_names_the_package_and_what_it_runs_on(channel: grpc.Channel) -> None:
    status = PackageServiceStub(channel).GetStatus(package_pb2.GetStatusRequest())
    assert status.active.name == "small-world"
    assert status.active.state == package_pb2.PACKAGE_STATE_ACTIVE
    assert status.active.num_items == 60
    assert list(status.active.sources) == ["two_tower", "item_neighbours", "popular"]
    assert [(space.name, space.dimensions) for space in status.active.spaces] == [("two_tower", 8)]
    assert status.active.created_timestamp == 1_795_492_800
    assert status.kernels
    assert status.inference_provider == "CPUExecutionProvider"


def test_the_served_package_is_listed(channel: grpc.Channel) -> None:
    (listed,) = PackageServiceStub(channel).ListPackages(package_pb2.ListPackagesRequest()).packages
    assert list(listed.heads) == ["click", "purchase"]


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("UpsertItems", catalog_pb2.UpsertItemsRequest()),
        ("DeleteItems", catalog_pb2.DeleteItemsRequest()),
        ("GetItems", catalog_pb2.GetItemsRequest()),
        ("SetAvailability", catalog_pb2.SetAvailabilityRequest()),
        ("LoadPackage", package_pb2.LoadPackageRequest()),
        ("ActivatePackage", package_pb2.ActivatePackageRequest()),
        ("Rollback", package_pb2.RollbackRequest()),
    ],
)
def test_what_is_not_built_says_so(method: str, request_: object, channel: grpc.Channel) -> None:
    stub: object = CatalogServiceStub(channel) if "Item" in method or "Avail" in method else PackageServiceStub(channel)
    with pytest.raises(grpc.RpcError, match=f"{method} is not served yet") as refused:
        getattr(stub, method)(request_)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    call: Any = channel.unary_unary("/shortlist.v1.RecommendationService/Nope")
    with pytest.raises(grpc.RpcError) as refused:
        call(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
