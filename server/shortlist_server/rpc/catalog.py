"""CatalogService: not served yet; every call says so."""

from __future__ import annotations

from typing import Any

from grpc import aio

from shortlist.v1.catalog_pb2 import (
    DeleteItemsRequest,
    DeleteItemsResponse,
    GetItemsRequest,
    GetItemsResponse,
    SetAvailabilityRequest,
    SetAvailabilityResponse,
    UpsertItemsRequest,
    UpsertItemsResponse,
)
from shortlist.v1.catalog_pb2_grpc import CatalogServiceServicer
from shortlist_server.errors import NotServedError

Context = aio.ServicerContext[Any, Any]


class CatalogService(CatalogServiceServicer):
    """Refuses every call: the catalogue is that of the package, and cannot be changed while it is served."""

    async def UpsertItems(self, request: UpsertItemsRequest, context: Context) -> UpsertItemsResponse:
        """Not served yet."""
        raise NotServedError("UpsertItems is not served yet; the catalogue is that of the package")

    async def DeleteItems(self, request: DeleteItemsRequest, context: Context) -> DeleteItemsResponse:
        """Not served yet."""
        raise NotServedError("DeleteItems is not served yet; the catalogue is that of the package")

    async def GetItems(self, request: GetItemsRequest, context: Context) -> GetItemsResponse:
        """Not served yet."""
        raise NotServedError("GetItems is not served yet")

    async def SetAvailability(self, request: SetAvailabilityRequest, context: Context) -> SetAvailabilityResponse:
        """Not served yet."""
        raise NotServedError("SetAvailability is not served yet; the catalogue is that of the package")
