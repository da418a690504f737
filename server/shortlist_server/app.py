"""The composition root: builds every part, wires them, serves until told to stop.

One process is one event loop with a few worker threads. `--workers N` makes N such processes on one port (workers.py).
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import structlog
from grpc import aio

from shortlist.v1 import catalog_pb2, event_pb2, package_pb2, recommendation_pb2, search_pb2
from shortlist.v1.catalog_pb2_grpc import add_CatalogServiceServicer_to_server
from shortlist.v1.event_pb2_grpc import add_EventServiceServicer_to_server
from shortlist.v1.package_pb2_grpc import add_PackageServiceServicer_to_server
from shortlist.v1.recommendation_pb2_grpc import add_RecommendationServiceServicer_to_server
from shortlist.v1.search_pb2_grpc import add_SearchServiceServicer_to_server
from shortlist_server.catalog.manifest_parts import MANIFEST_FILE
from shortlist_server.catalog.package import Package, open_package
from shortlist_server.config import Settings
from shortlist_server.errors import PackageError
from shortlist_server.logs import configure_logs
from shortlist_server.pipeline.golden import replay_golden
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.search import VectorSearch
from shortlist_server.pipeline.similar import SimilarItems
from shortlist_server.pipeline.warm_up import warm_up
from shortlist_server.ports import address_of, hold_port
from shortlist_server.rpc.catalog import CatalogService
from shortlist_server.rpc.door import Door
from shortlist_server.rpc.events import EventService
from shortlist_server.rpc.interceptor import ErrorInterceptor
from shortlist_server.rpc.packages import PackageService
from shortlist_server.rpc.recommendation import RecommendationService
from shortlist_server.rpc.search import SearchService
from shortlist_server.rpc.standard import Health, add_reflection
from shortlist_server.shutdown import close_within
from shortlist_server.state.group_commit import GroupCommit
from shortlist_server.state.lmdb_store import LmdbStore
from shortlist_server.threads import threads_of

REFUSING_S = 0.5  # long enough for a busy caller to come back once and hear that it should go elsewhere
CLOSE_TIMEOUT_S = 10.0
NUM_WORKER_THREADS = 4  # one a lane, so that none holds another up: funnel, similar items, searches small and large
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
    store: LmdbStore
    commit: GroupCommit
    pipeline: Pipeline
    similar: SimilarItems
    search: VectorSearch
    door: Door

    def close(self) -> None:
        """Stop in the order in which work flows; what was accepted is finished."""
        self.door.close()
        self.pipeline.close()
        self.commit.close()
        self.store.close()


def build(settings: Settings) -> App:
    """Open, check and warm up everything. Raises PackageError or StateError; then nothing is left open."""
    package = open_package(
        settings.package,
        num_threads=threads_of(settings),
        user_tower_rows=settings.user_tower_rows,
        device=settings.device,
    )
    check_golden(package)
    limits = settings.limits
    store = LmdbStore(settings.state, max_profile_items=limits.max_profile_items)
    pipeline = Pipeline(package, store, num_threads=len(package.manifest.sources))
    warm_up(pipeline, limits.max_batch_rows)
    return App(
        settings=settings,
        package=package,
        store=store,
        commit=GroupCommit(store, limits.max_waiting_events),
        pipeline=pipeline,
        similar=SimilarItems(package),
        search=VectorSearch(package, max_reply_bytes=limits.max_message_bytes),
        door=Door(
            num_workers=NUM_WORKER_THREADS,
            max_batch_rows=limits.max_batch_rows,
            max_queued=limits.max_waiting_requests,
        ),
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
    ready: Callable[[str], None],
    *,
    stop: asyncio.Event | None = None,
    shared_port: bool = False,
    package_id: str | None = None,
) -> None:
    """One process: build, listen, call `ready` with the line for people, wait for the end, drain.

    Raises OSError when the port cannot be had, PackageError when a `package_id` is given and the package has another.
    """
    stopping = asyncio.Event() if stop is None else stop
    hold_port(settings, shared=shared_port).close()
    app = build(settings)
    try:
        found_id, calls = app.package.manifest.package_id, ErrorInterceptor()
        if package_id not in (None, found_id):
            raise PackageError(MANIFEST_FILE, f"holds {found_id}, while {package_id} is being served")
        server = aio.server(interceptors=(calls,), options=_options(settings, shared_port=shared_port))
        try:
            health = _register(server, app)
            port = _listen(server, settings)
            if stop is None:
                for number in (signal.SIGTERM, signal.SIGINT):
                    asyncio.get_running_loop().add_signal_handler(number, stopping.set)
            await server.start()
            ready(f"serving {found_id} on {address_of(settings.host, port)}")
            await stopping.wait()
            log.info("draining", seconds=settings.drain_seconds)
            health.draining()
            calls.refuse()
            await asyncio.sleep(min(REFUSING_S, settings.drain_seconds))
            await server.stop(settings.drain_seconds)
        finally:
            await server.stop(None)  # nothing is left to stop unless something was raised
    finally:
        close_within(app.close, CLOSE_TIMEOUT_S)


class Background:
    """A server in a thread of this process, for tests and notebooks: a context manager that gives HOST:PORT.

    Raises on the way in what `build` raises; drains on the way out.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._target: Future[str] = Future()
        self._stop: Callable[[], object] = threading.Event().set
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return self._target.result()

    def __exit__(self, *exception: object) -> None:
        self._stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._target.done():
                raise
            self._target.set_exception(error)

    async def _serve(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = partial(loop.call_soon_threadsafe, stop.set)
        await serve_one(self._settings, lambda line: self._target.set_result(line.rpartition(" on ")[2]), stop=stop)


def _register(server: aio.Server, app: App) -> Health:
    add_RecommendationServiceServicer_to_server(RecommendationService(app.door, app.pipeline, app.similar), server)
    add_SearchServiceServicer_to_server(SearchService(app.door, app.search), server)
    add_EventServiceServicer_to_server(EventService(app.store, app.commit), server)
    add_CatalogServiceServicer_to_server(CatalogService(), server)
    add_PackageServiceServicer_to_server(PackageService(app.package, app.store), server)
    add_reflection(server, SERVICES)
    return Health(server, SERVICES)


def _options(settings: Settings, *, shared_port: bool) -> list[tuple[str, int]]:
    """Without `so_reuseport` off, a second server on the same port would start and take half of the calls."""
    return [
        ("grpc.so_reuseport", int(shared_port)),
        ("grpc.max_receive_message_length", settings.limits.max_message_bytes),
        ("grpc.max_send_message_length", settings.limits.max_message_bytes),
    ]


def _listen(server: aio.Server, settings: Settings) -> int:
    """The port that was bound. Raises OSError when it cannot be."""
    address = address_of(settings.host, settings.port)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if not port:
        raise OSError(f"cannot listen on {address}: the port is taken or the address is not of this machine")
    return port


def _print_ready(line: str) -> None:
    print(line, flush=True)
