"""PackageService: which package is served. Loading another one while serving is refused as yet."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from grpc import aio

from shortlist import __version__
from shortlist.v1.package_pb2 import (
    PACKAGE_STATE_ACTIVE,
    ActivatePackageRequest,
    ActivatePackageResponse,
    GetStatusRequest,
    GetStatusResponse,
    ListPackagesRequest,
    ListPackagesResponse,
    LoadPackageRequest,
    LoadPackageResponse,
    PackageDetails,
    RollbackRequest,
    RollbackResponse,
    VectorSpace,
)
from shortlist.v1.package_pb2_grpc import PackageServiceServicer
from shortlist_kernels import isa_info
from shortlist_server.catalog.package import Package
from shortlist_server.errors import NotServedError
from shortlist_server.state.store import Store

Context = aio.ServicerContext[Any, Any]


class PackageService(PackageServiceServicer):
    """Describes the one package that is served, which was chosen when the server started."""

    def __init__(self, package: Package, store: Store) -> None:
        self._package = package
        self._store = store
        self._details = _details(package)
        self._started = int(time.time())

    async def ListPackages(self, request: ListPackagesRequest, context: Context) -> ListPackagesResponse:
        """Return the details of the package that is served; there is only this one."""
        return ListPackagesResponse(packages=[self._details])

    async def GetStatus(self, request: GetStatusRequest, context: Context) -> GetStatusResponse:
        """Return the package that is served, how many events are recorded, and what the server computes with."""
        num_events = await asyncio.to_thread(self._store.count_events)
        return GetStatusResponse(
            server_version=__version__,
            active=self._details,
            started_timestamp=self._started,
            num_events=num_events,
            kernels=str(isa_info()["isa"]),
            inference_provider=self._package.provider,
        )

    async def LoadPackage(self, request: LoadPackageRequest, context: Context) -> LoadPackageResponse:
        """Not served yet."""
        raise NotServedError("LoadPackage is not served yet; the package is chosen when the server starts")

    async def ActivatePackage(self, request: ActivatePackageRequest, context: Context) -> ActivatePackageResponse:
        """Not served yet."""
        raise NotServedError("ActivatePackage is not served yet; the package is chosen when the server starts")

    async def Rollback(self, request: RollbackRequest, context: Context) -> RollbackResponse:
        """Not served yet."""
        raise NotServedError("Rollback is not served yet; the package is chosen when the server starts")


def _details(package: Package) -> PackageDetails:
    manifest, num_items = package.manifest, package.catalog.num_items
    return PackageDetails(
        name=manifest.name,
        id=manifest.id,
        state=PACKAGE_STATE_ACTIVE,
        created_timestamp=manifest.created.seconds,
        num_items=num_items,
        sources=[source.name for source in manifest.sources],
        spaces=[
            VectorSpace(name=name, dimensions=space.dim, num_items=len(space)) for name, space in package.spaces.items()
        ],
        heads=[head.name for head in manifest.ranker.heads],
    )
