"""The server as a process: what it prints, how it ends, what survives kill -9, several workers on one port."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

import shortlist
from shortlist.package import PackageError
from shortlist.v1.event_pb2 import Event, ExportUserRequest, RecordEventsStreamRequest
from shortlist.v1.event_pb2_grpc import EventServiceStub
from shortlist.v1.recommendation_pb2 import RecommendRequest
from shortlist.v1.recommendation_pb2_grpc import RecommendationServiceStub
from shortlist_server.app import build
from shortlist_server.config import Settings
from shortlist_server.listen import Ready
from tests.processes import start_process

START_TIMEOUT_S = 60


class ServerProcess:
    """`python -m shortlist_server` in its own process group."""

    def __init__(self, *arguments: str | Path, cwd: Path) -> None:
        command = [sys.executable, "-m", "shortlist_server", *arguments]
        self.process = start_process(command, start_new_session=True, cwd=cwd)

    def target(self) -> str:
        """Wait for the line that says where it serves."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.end()
        ready = Ready.parse(line)
        assert ready.package_id.startswith("small-world-")
        return ready.address

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Exit code, rest of standard output, standard error."""
        out, err = self.process.communicate(timeout=START_TIMEOUT_S)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers, and leaves none behind."""
    started: list[ServerProcess] = []

    def start_one(*arguments: str | Path) -> ServerProcess:
        started.append(ServerProcess(*arguments, cwd=tmp_path))
        return started[-1]

    yield start_one
    for server in started:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.communicate()


Start = Callable[..., ServerProcess]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_says_where_it_serves_and_a_signal_ends_it_cleanly(
    number: signal.Signals, start: Start, package_dir: Path, tmp_path: Path
) -> None:
    server = start("--package", package_dir, "--state", tmp_path / "state", "--port", "0")
    with shortlist.Client(server.target(), timeout_s=30) as client:
        assert len(client.recommend(user_id="ann", k=3).items) == 3
    server.signal(number)
    code, out, err = server.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_ctrl_c_does_not_wait_for_what_drains(
    workers: str, start: Start, package_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "patient.toml").write_text("drain_seconds = 3600.0")
    config = ("--config", tmp_path / "patient.toml")
    server = start("--package", package_dir, "--port", "0", "--workers", workers, *config)
    held = threading.Event()

    def endless() -> Iterator[RecordEventsStreamRequest]:
        yield RecordEventsStreamRequest(
            events=[Event(user_id="ann", item_id="item-001", type="EVENT_TYPE_VIEW", timestamp=1)]
        )
        held.wait()

    with grpc.insecure_channel(server.target()) as channel:
        call = EventServiceStub(channel).RecordEventsStream.future(endless())
        while not list(EventServiceStub(channel).ExportUser(ExportUserRequest(user_id="ann"))):
            assert not call.done()
        os.killpg(server.process.pid, signal.SIGINT)  # as a terminal does
        assert server.process.stderr is not None
        assert json.loads(server.process.stderr.readline())["event"] == "draining"
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.end()[0] == 130
        held.set()


def test_health_watchers_are_told_before_the_server_goes_and_do_not_hold_it_up(
    start: Start, package_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "patient.toml").write_text("drain_seconds = 3600.0")
    server = start("--package", package_dir, "--port", "0", "--config", tmp_path / "patient.toml")
    with grpc.insecure_channel(server.target()) as channel:
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert list(watch) == []
        assert server.end()[0] == 0


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_bad_package_is_one_line_and_nothing_is_served(workers: str, start: Start, package_copy: Path) -> None:
    (package_copy / "vectors/two_tower.index").unlink()
    code, out, err = start("--package", package_copy, "--port", "0", "--workers", workers).end()
    assert (code, out) == (2, "")
    assert err == f"error: {package_copy}/vectors/two_tower.index: missing\n"
    assert len(err.strip().splitlines()) == 1


def test_a_package_that_answers_otherwise_than_its_trainer_is_not_served(
    package_copy: Path, replace_file: Callable[[str, bytes], None]
) -> None:
    golden = (package_copy / "golden.json").read_text("utf-8")
    first = golden.index("item-", golden.index('"ranked"'))
    other = "item-007" if golden[first : first + 8] != "item-007" else "item-008"
    replace_file("golden.json", (golden[:first] + other + golden[first + 8 :]).encode())
    with pytest.raises(PackageError, match=r"golden\.json: requests\[0\]: ranked: place 1"):
        build(Settings(package=package_copy))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_taken_port_is_one_line_and_leaves_no_store(
    workers: str, start: Start, package_dir: Path, tmp_path: Path
) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        code, out, err = start("--package", package_dir, "--port", port, "--workers", workers).end()
    assert code == 2
    assert out == ""
    assert err == f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_another_machine_is_one_line(start: Start, package_dir: Path) -> None:
    server = start("--package", package_dir, "--host", "192.0.2.1", "--port", "0", "--allow-plaintext")
    code, out, err = server.end()
    assert (code, out) == (2, "")
    assert err == "error: cannot listen on 192.0.2.1:0: Cannot assign requested address\n"


def test_events_are_kept_beside_the_server_unless_told_otherwise(
    start: Start, package_dir: Path, tmp_path: Path
) -> None:
    server = start("--package", package_dir.resolve(), "--port", "0")
    with shortlist.Client(server.target()) as client:
        client.record_events([shortlist.Event(user_id="ann", item_id="item-001", type="view", timestamp=1)])
    assert (tmp_path / "shortlist-state").is_dir()


def test_workers_share_the_port_and_the_store(start: Start, package_dir: Path, tmp_path: Path) -> None:
    server = start("--package", package_dir, "--state", tmp_path / "state", "--port", "0", "--workers", "2")
    target = server.target()
    for number in range(12):  # a connection each: the kernel spreads them over the workers
        with shortlist.Client(target, timeout_s=30) as client:
            item_id = f"item-{number:03d}"
            event = shortlist.Event(user_id="ann", item_id=item_id, type="view", timestamp=number + 1)
            assert client.record_events([event]) == 1
        with shortlist.Client(target, timeout_s=30) as client:
            assert item_id not in {item.item_id for item in client.recommend(user_id="ann", k=60).items}
    server.signal(signal.SIGTERM)
    code, out, err = server.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err


def worker_pids(server: ServerProcess) -> list[int]:
    parent = server.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_running(pid: int) -> bool:
    """False for a process that has ended, and for one that has and is not waited for (a zombie)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_worker_that_dies_is_replaced(start: Start, package_dir: Path) -> None:
    server = start("--package", package_dir, "--port", "0", "--workers", "2")
    target = server.target()
    for pid in worker_pids(server):
        os.kill(pid, signal.SIGKILL)
        assert server.process.stderr is not None
        assert json.loads(server.process.stderr.readline())["event"] == "a worker died, starting another"
    with shortlist.Client(target, timeout_s=60, wait_for_ready=True) as client:
        assert len(client.recommend(user_id="ann").items) == 10
    server.signal(signal.SIGTERM)
    assert server.end()[0] == 0


def test_workers_do_not_outlive_their_parent(start: Start, package_dir: Path) -> None:
    server = start("--package", package_dir, "--port", "0", "--workers", "2")
    server.target()
    workers = worker_pids(server)
    assert len(workers) == 2
    server.signal(signal.SIGKILL)
    ends_s = time.monotonic() + START_TIMEOUT_S
    while running := [pid for pid in workers if is_running(pid)]:
        assert time.monotonic() < ends_s, f"{running} outlived their parent"


class Writers:
    """Sends events over and over until each is acknowledged; dies with its server, goes on with the next."""

    def __init__(self, num_events: int, batch_size: int) -> None:
        events = [
            shortlist.Event(user_id=f"user-{n % 40}", item_id=f"item-{n % 60:03d}", type="view", timestamp=n + 1)
            for n in range(num_events)
        ]
        self.left = [events[start : start + batch_size] for start in range(0, num_events, batch_size)]
        self.acknowledged: list[shortlist.Event] = []
        self._lock = threading.Lock()

    def write(self, target: str, kill: Callable[[], None], num_until_kill: int) -> None:
        """Write from four connections; `kill` is called from a fifth thread once so many batches were acknowledged."""
        enough = threading.Event()
        goal = len(self.acknowledged) + num_until_kill * len(self.left[0])

        def kill_when_enough() -> None:
            enough.wait()
            kill()

        with ThreadPoolExecutor(5) as threads:
            threads.submit(kill_when_enough)
            for writer in [threads.submit(self._write_one, target, goal, enough) for _ in range(4)]:
                writer.result()
            enough.set()

    def _write_one(self, target: str, goal: int, enough: threading.Event) -> None:
        with shortlist.Client(target, timeout_s=5) as client:
            while True:
                with self._lock:
                    if not self.left:
                        return
                    batch = self.left.pop()
                try:
                    client.record_events(batch)
                except shortlist.ShortlistError:
                    with self._lock:
                        self.left.append(batch)
                    return
                with self._lock:
                    self.acknowledged += batch
                    if len(self.acknowledged) >= goal:
                        enough.set()


def recorded(target: str) -> set[tuple[str, str, int]]:
    with grpc.insecure_channel(target) as channel:
        stub = EventServiceStub(channel)
        parts = [part for n in range(40) for part in stub.ExportUser(ExportUserRequest(user_id=f"user-{n}"))]
    events: list[Event] = [event for part in parts for event in part.events]
    return {(event.user_id, event.item_id, event.timestamp) for event in events}


def test_every_acknowledged_event_survives_kill_9(start: Start, package_dir: Path, tmp_path: Path) -> None:
    moments = random.Random(20261124)
    writers = Writers(num_events=10_000, batch_size=20)
    num_kills = 0
    while writers.left:
        server = start("--package", package_dir, "--state", tmp_path / "state", "--port", "0")
        target = server.target()
        acknowledged = {(event.user_id, event.item_id, event.timestamp) for event in writers.acknowledged}
        assert acknowledged <= recorded(target)
        num_until_kill = moments.randrange(40, 120) if num_kills < 5 else 1_000_000
        writers.write(target, lambda process=server.process: process.kill(), num_until_kill)  # type: ignore[misc]
        num_kills += 1
    server = start("--package", package_dir, "--state", tmp_path / "state", "--port", "0")
    assert num_kills >= 4
    assert len(writers.acknowledged) == 10_000
    assert recorded(server.target()) == {
        (event.user_id, event.item_id, event.timestamp) for event in writers.acknowledged
    }


def ask_until_refused(target: str) -> grpc.StatusCode:
    """Recommendations, one after the other over one connection; how the first that fails does."""
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = RecommendationServiceStub(channel)
        while True:
            try:
                stub.Recommend(RecommendRequest(user_id="ann"), timeout=30)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                return code


def test_who_keeps_calling_while_the_server_goes_is_told_to_try_elsewhere(start: Start, package_dir: Path) -> None:
    server = start("--package", package_dir, "--port", "0")
    target = server.target()
    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(ask_until_refused, target) for _ in range(4)]
        shortlist.Client(target, timeout_s=30).recommend(user_id="ann")
        server.signal(signal.SIGTERM)
        assert {call.result() for call in calls} == {grpc.StatusCode.UNAVAILABLE}
    assert server.end()[0] == 0


def test_a_worker_that_comes_back_to_another_package_does_not_serve_it(
    start: Start, package_copy: Path, edit_manifest: Callable[[Callable[[dict[str, Any]], None]], None]
) -> None:
    server = start("--package", package_copy, "--port", "0", "--workers", "2")
    server.target()
    edit_manifest(lambda manifest: manifest.update(id="small-world-other"))
    os.kill(worker_pids(server)[0], signal.SIGKILL)
    assert server.process.stderr is not None
    lines = [server.process.stderr.readline() for _ in range(2)]
    assert json.loads(lines[0])["exit_code"] == -signal.SIGKILL
    assert lines[1].startswith(f"error: {package_copy}/manifest.json: holds small-world-other, while small-world-2026")
    server.signal(signal.SIGTERM)
    assert server.end()[0] == 0
