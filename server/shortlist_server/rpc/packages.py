"""PackageService: which package answers. Loading another one while serving comes later."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
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
from shortlist_server.errors import NotServed
from shortlist_server.state.store import Store

Context = aio.ServicerContext[Any, Any]


class PackageService(PackageServiceServicer):
    """Says what is served; the one package was chosen at the start."""

    def __init__(self, package: Package, store: Store) -> None:
        self._package = package
        self._store = store
        self._details = _details(package)
        self._started = int(time.time())

    async def ListPackages(self, request: ListPackagesRequest, context: Context) -> ListPackagesResponse:
        """The package that serves."""
        return ListPackagesResponse(packages=[self._details])

    async def GetStatus(self, request: GetStatusRequest, context: Context) -> GetStatusResponse:
        """The package that serves, and what it runs on."""
        num_events = await asyncio.to_thread(self._store.count_events)
        return GetStatusResponse(
            server_version=__version__,
            active=self._details,
            started_timestamp=self._started,
            num_events=num_events,
            kernels=str(isa_info()["isa"]),
            inference_provider=self._package.models[self._package.manifest.ranker.model].provider,
        )

    async def LoadPackage(self, request: LoadPackageRequest, context: Context) -> LoadPackageResponse:
        """Not served yet."""
        raise NotServed("LoadPackage is not served yet; the package is chosen when the server starts")

    async def ActivatePackage(self, request: ActivatePackageRequest, context: Context) -> ActivatePackageResponse:
        """Not served yet."""
        raise NotServed("ActivatePackage is not served yet; the package is chosen when the server starts")

    async def Rollback(self, request: RollbackRequest, context: Context) -> RollbackResponse:
        """Not served yet."""
        raise NotServed("Rollback is not served yet; the package is chosen when the server starts")


def _details(package: Package) -> PackageDetails:
    manifest, num_items = package.manifest, package.catalog.num_items
    return PackageDetails(
        name=manifest.name,
        id=manifest.package_id,
        state=PACKAGE_STATE_ACTIVE,
        created_timestamp=_timestamp(manifest.created),
        num_items=num_items,
        sources=[source.name for source in manifest.sources],
        spaces=[
            VectorSpace(name=name, dimensions=index.dim, num_items=len(index))
            for name, index in package.vectors.items()
        ],
        heads=[head.name for head in manifest.ranker.heads],
    )


def _timestamp(created: str) -> int:
    """Seconds since the epoch of the manifest's time; 0 when it is not written as ISO 8601."""
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0
