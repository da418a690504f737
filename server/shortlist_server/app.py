"""The composition root: builds every part, wires them, serves until told to stop.

One process is one event loop with a worker thread for each queue of the batcher. `--workers N` makes N such processes
on one port (workers.py).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from grpc import aio

from shortlist.package import PackageError
from shortlist.package.layout import MANIFEST
from shortlist.v1 import catalog_pb2, event_pb2, package_pb2, recommendation_pb2, search_pb2
from shortlist.v1.catalog_pb2_grpc import add_CatalogServiceServicer_to_server
from shortlist.v1.event_pb2_grpc import add_EventServiceServicer_to_server
from shortlist.v1.package_pb2_grpc import add_PackageServiceServicer_to_server
from shortlist.v1.recommendation_pb2_grpc import add_RecommendationServiceServicer_to_server
from shortlist.v1.search_pb2_grpc import add_SearchServiceServicer_to_server
from shortlist_server.batching.batcher import Batcher
from shortlist_server.catalog.package import Package, open_package
from shortlist_server.config import Settings
from shortlist_server.listen import Ready, hold_port, listen, server_options
from shortlist_server.logs import configure_logs
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.rpc.catalog import CatalogService
from shortlist_server.rpc.events import EventService
from shortlist_server.rpc.interceptor import ErrorInterceptor
from shortlist_server.rpc.packages import PackageService
from shortlist_server.rpc.recommendation import RecommendationService
from shortlist_server.rpc.search import SearchService
from shortlist_server.rpc.standard import Health, add_reflection
from shortlist_server.search.service import VectorSearch
from shortlist_server.search.similar import SimilarItems
from shortlist_server.shutdown import close_within, stop_on_signals
from shortlist_server.startup.golden import replay_golden
from shortlist_server.startup.warm_up import warm_up
from shortlist_server.state.group_commit import GroupCommit
from shortlist_server.state.lmdb_store import LmdbStore
from shortlist_server.state.store import Store

# Long enough for a busy caller to come back once and hear that it should go elsewhere.
REFUSING_S = 0.5
# All calls have ended by then: what is left is one batch and one commit. Work that takes longer does not end.
CLOSE_TIMEOUT_S = 10.0
SERVICES = tuple(
    descriptor.full_name
    for module in (recommendation_pb2, search_pb2, event_pb2, catalog_pb2, package_pb2)
    for descriptor in module.DESCRIPTOR.services_by_name.values()
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The parts of one server process, warm and ready."""

    settings: Settings
    package: Package
    store: Store
    commit: GroupCommit
    pipeline: Pipeline
    similar: SimilarItems
    search: VectorSearch
    batcher: Batcher

    def close(self) -> None:
        """Stop in the order in which work flows; what was accepted is finished."""
        self.batcher.close()
        self.pipeline.close()
        self.commit.close()
        self.store.close()


def build(settings: Settings) -> App:
    """Open, check and warm up everything. Raises PackageError or StateError; then nothing is left open."""
    package = open_package(
        settings.package,
        num_threads=settings.threads_per_worker,
        rows_per_run=settings.rows_per_run,
        device=settings.device,
    )
    check_golden(package)
    limits = settings.limits
    store = LmdbStore(settings.state, max_profile_items=limits.max_profile_items)
    pipeline = Pipeline(package, store, num_threads=settings.threads_per_worker)
    warm_up(pipeline, limits.max_batch_rows)
    return App(
        settings=settings,
        package=package,
        store=store,
        commit=GroupCommit(store, limits.max_waiting_events),
        pipeline=pipeline,
        similar=SimilarItems(package),
        search=VectorSearch(package, max_reply_bytes=limits.max_message_bytes),
        batcher=Batcher(max_batch_rows=limits.max_batch_rows, max_waiting=limits.max_waiting_requests),
    )


def check_golden(package: Package) -> int:
    """Replay the golden requests of the package; returns how many. PackageError names the request and the list."""
    pipeline = Pipeline(package, None)
    try:
        return replay_golden(pipeline)
    finally:
        pipeline.close()


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; prints one line on standard output when ready.

    Raises PackageError or StateError before anything is served; ends the process with status 2 when the port is taken.
    """
    configure_logs(settings.log_level)
    try:
        if settings.workers > 1:
            from shortlist_server.workers import supervise

            supervise(settings, _print_ready)
        else:
            asyncio.run(serve_one(settings, _print_ready))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


async def serve_one(
    settings: Settings,
    tell: Callable[[Ready], None],
    *,
    stop: asyncio.Event | None = None,
    shared_port: bool = False,
    package_id: str | None = None,
) -> None:
    """One process: build, listen, call `tell` once it answers, wait for the end, drain.

    The end is `stop`, or SIGTERM or SIGINT when none is given. Raises OSError when the port cannot be had,
    PackageError when a `package_id` is given and the package has another.
    """
    stopping = asyncio.Event() if stop is None else stop
    hold_port(settings, shared=shared_port).close()
    app = build(settings)
    try:
        found_id, calls = app.package.manifest.id, ErrorInterceptor()
        if package_id not in (None, found_id):
            raise PackageError(MANIFEST, f"holds {found_id}, while {package_id} is being served")
        server = aio.server(interceptors=(calls,), options=server_options(settings, shared_port=shared_port))
        try:
            health = _register(server, app)
            address = listen(server, settings)
            if stop is None:
                stop_on_signals(stopping)
            await server.start()
            tell(Ready(package_id=found_id, address=address))
            await stopping.wait()
            await _drain(server, health, calls, settings.drain_seconds)
        finally:
            await server.stop(None)  # nothing is left to stop unless something was raised
    finally:
        close_within(app.close, CLOSE_TIMEOUT_S)


async def _drain(server: aio.Server, health: Health, calls: ErrorInterceptor, drain_seconds: float) -> None:
    """Refuse new calls, and give those in flight `drain_seconds` to finish."""
    log.info("draining", seconds=drain_seconds)
    health.stop_serving()
    calls.refuse()
    await asyncio.sleep(min(REFUSING_S, drain_seconds))
    await server.stop(drain_seconds)


def _register(server: aio.Server, app: App) -> Health:
    add_RecommendationServiceServicer_to_server(RecommendationService(app.batcher, app.pipeline, app.similar), server)
    add_SearchServiceServicer_to_server(SearchService(app.batcher, app.search), server)
    add_EventServiceServicer_to_server(EventService(app.store, app.commit), server)
    add_CatalogServiceServicer_to_server(CatalogService(), server)
    add_PackageServiceServicer_to_server(PackageService(app.package, app.store), server)
    add_reflection(server, SERVICES)
    return Health(server, SERVICES)


def _print_ready(ready: Ready) -> None:
    print(ready, flush=True)
