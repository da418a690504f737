"""The services that every gRPC server has: health and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.protobuf.json_format import MessageToJson, Parse
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

Context = aio.ServicerContext[Any, Any]

REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


class Health(health_pb2_grpc.HealthServicer):
    """grpc.health.v1 for the server as a whole and for each of its services, all of which serve until it drains.

    Unlike that of grpc_health, `Watch` ends once it has said NOT_SERVING, so that no watcher holds up the shutdown.
    """

    def __init__(self, server: aio.Server, services: Sequence[str]) -> None:
        self._services = frozenset(("", *services))
        self._draining = asyncio.Event()
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    def stop_serving(self) -> None:
        """From now on every service is NOT_SERVING, and every `Watch` says so and ends. It cannot be undone."""
        self._draining.set()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        """The status now; NOT_FOUND for a service that this server does not have."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return self._status_of(request.service)

    async def Watch(self, request: HealthCheckRequest, context: Context) -> AsyncIterator[HealthCheckResponse]:
        """The status now, and NOT_SERVING when the server begins to drain."""
        first = self._status_of(request.service)
        yield first
        await self._draining.wait()
        last = self._status_of(request.service)
        if last != first:
            yield last

    def _status_of(self, service: str) -> HealthCheckResponse:
        if service not in self._services:
            return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        drains = self._draining.is_set()
        return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING if drains else HealthCheckResponse.SERVING)


def add_reflection(server: aio.Server, services: Sequence[str]) -> None:
    """Adds the reflection service under both its names: v1 and v1alpha differ in nothing else, and clients ask for
    either.
    """
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer((*names, REFLECTION_V1), pool=_described(names))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(REFLECTION_V1, {"ServerReflectionInfo": handler}),)
    )


def _described(services: Sequence[str]) -> DescriptorPool:
    """A pool with the descriptors of these services and of reflection v1, which no installed file describes.

    Clients look up every service that they find listed. The default pool would not do: it holds whatever else this
    process has loaded.
    """
    pool = DescriptorPool()

    def add(name: str) -> None:
        file = Default().FindFileByName(name)
        for dependency in file.dependencies:
            add(dependency.name)
        pool.AddSerializedFile(file.serialized_pb)

    for service in services:
        add(Default().FindFileContainingSymbol(service).name)
    alpha = MessageToJson(FileDescriptorProto.FromString(reflection_pb2.DESCRIPTOR.serialized_pb))
    pool.AddSerializedFile(Parse(alpha.replace("v1alpha", "v1"), FileDescriptorProto()).SerializeToString())
    return pool
