"""Many clients search at once over a real port: they share scans, and none notices the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import numpy as np
import pytest

from shortlist.v1.search_pb2 import SearchRequest, SearchResponse
from shortlist.v1.search_pb2_grpc import SearchServiceStub
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, Tensor
from shortlist_kernels import VectorIndex
from shortlist_server import app
from shortlist_server.batching.batcher import Batcher, Queue
from shortlist_server.config import Settings
from tests.server.background import Background
from tests.server.conftest import vector_index

EditManifest: TypeAlias = Callable[[Callable[[dict[str, Any]], None]], None]
ReplaceFile: TypeAlias = Callable[[str, bytes], None]
Answer = bytes | tuple[grpc.StatusCode, str]

DIMS = {"items": 8, "two_tower": 8, "other": 5}
NUM_CLIENTS = 48
TIMEOUT_S = 60.0


class Gate:
    """Holds the scans of a server back while it is shut, and remembers them."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.scanned: list[np.ndarray[Any, Any]] = []
        self.batchers: list[Batcher] = []

    def wrap(self, search: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(index: VectorIndex, queries: Any, *arguments: Any, **options: Any) -> Any:
            self.scanned.append(queries)
            self.entered.set()
            assert self.open.wait(TIMEOUT_S)
            return search(index, queries, *arguments, **options)

        return wrapped

    def make_batcher(self, **options: Any) -> Batcher:
        self.batchers.append(Batcher(**options))
        return self.batchers[-1]

    @property
    def queue(self) -> Queue[Any, Any]:
        return self.batchers[0].queues["search"]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setattr(VectorIndex, "search", made.wrap(VectorIndex.search))
    monkeypatch.setattr(app, "Batcher", made.make_batcher)
    return made


@pytest.fixture
def stubs(
    gate: Gate, package_copy: Path, replace_file: ReplaceFile, edit_manifest: EditManifest, tmp_path: Path
) -> Iterator[list[SearchServiceStub]]:
    """A connection for each client, to a server whose package has a second vector space."""
    vector_index(np.random.default_rng(1).standard_normal((60, 5)).astype(np.float32)).save(tmp_path / "other.index")
    replace_file("vectors/other.index", (tmp_path / "other.index").read_bytes())
    other = {"name": "other", "metric": "METRIC_INNER_PRODUCT", "dimensions": 5}
    edit_manifest(lambda manifest: manifest["spaces"].append(other))
    with ExitStack() as stack:
        target = stack.enter_context(Background(Settings(package=package_copy, state=tmp_path / "state", port=0)))
        stack.callback(gate.open.set)  # or a test that failed would leave the server with work that never ends
        channels = [
            stack.enter_context(grpc.insecure_channel(target, options=[("test.client", number)]))
            for number in range(NUM_CLIENTS)
        ]
        yield [SearchServiceStub(channel) for channel in channels]


def request_of(number: int) -> SearchRequest:
    """Spaces, sizes, filters and faults in every combination that comes up."""
    random = np.random.default_rng(number)
    space = ("", "items", "two_tower", "other")[number % 4]
    num_queries = (1, 1, 3, 70)[random.integers(4)]
    queries = random.standard_normal((num_queries, DIMS[space or "items"])).astype("<f4")
    if number % 11 == 5:
        queries[0, 2] = np.nan
    ids = [f"item-{row:03d}" for row in random.permutation(64)[: random.integers(1, 30)]]
    return SearchRequest(
        space="nope" if number % 13 == 7 else space,
        queries=Tensor(data_type=DATA_TYPE_FLOAT32, shape=queries.shape, data=queries.tobytes()),
        k=(1, 10, 100, 1000, 0)[random.choice(5, p=[0.3, 0.3, 0.2, 0.1, 0.1])],
        allow_item_ids=ids if number % 3 == 0 else [],
        exclude_item_ids=ids[::2] if number % 2 == 0 else [],
        rows_only=bool(number % 5),
    )


def answer_to(stub: SearchServiceStub, request: SearchRequest, timeout_s: float = TIMEOUT_S) -> Answer:
    try:
        reply: SearchResponse = stub.Search(request, timeout=timeout_s)
    except grpc.RpcError as error:
        return error.code(), error.details() or ""
    return reply.SerializeToString(deterministic=True)


def until(condition: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(0.001)


def test_clients_at_once_get_what_each_gets_alone(gate: Gate, stubs: list[SearchServiceStub]) -> None:
    requests = [request_of(number) for number in range(3 * NUM_CLIENTS)]
    alone = [answer_to(stubs[0], request) for request in requests]
    assert {type(answer) for answer in alone} == {bytes, tuple}
    with ThreadPoolExecutor(NUM_CLIENTS) as threads:
        for start in range(0, len(requests), NUM_CLIENTS):
            together = threads.map(answer_to, stubs, requests[start : start + NUM_CLIENTS])
            assert list(together) == alone[start : start + NUM_CLIENTS]


def plain(seed: int, num_queries: int = 1) -> SearchRequest:
    queries = np.random.default_rng(seed).standard_normal((num_queries, 8)).astype("<f4")
    return SearchRequest(
        queries=Tensor(data_type=DATA_TYPE_FLOAT32, shape=queries.shape, data=queries.tobytes()), k=5 + seed
    )


def test_those_that_wait_share_one_scan_and_those_too_late_are_in_none(
    gate: Gate, stubs: list[SearchServiceStub]
) -> None:
    alone = [answer_to(stubs[0], plain(seed)) for seed in range(20)]
    gate.open.clear()
    gate.entered.clear()
    with ThreadPoolExecutor(NUM_CLIENTS) as threads:
        first = threads.submit(answer_to, stubs[20], plain(100))
        assert gate.entered.wait(TIMEOUT_S)
        gate.scanned.clear()
        together = [threads.submit(answer_to, stubs[seed], plain(seed)) for seed in range(20)]
        until(lambda: gate.queue.num_waiting == 20)
        for _ in range(100):  # until a row seems to cost nothing, or they may be refused instead of let in
            gate.queue.observe(num_rows=1, seconds=0.0)
        late = [threads.submit(answer_to, stubs[21 + seed], plain(200 + seed), 0.2) for seed in range(5)]
        codes = {answer.result()[0] for answer in late}
        gate.open.set()
        assert [answer.result() for answer in together] == alone
        assert isinstance(first.result(), bytes)
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert [len(queries) for queries in gate.scanned] == [20]


def test_a_small_search_does_not_wait_for_the_end_of_a_large_one(gate: Gate, stubs: list[SearchServiceStub]) -> None:
    alone = answer_to(stubs[0], plain(1))
    gate.open.clear()
    gate.entered.clear()
    with ThreadPoolExecutor(2) as threads:
        large = threads.submit(answer_to, stubs[0], plain(2, 4096))
        assert gate.entered.wait(TIMEOUT_S)
        gate.scanned.clear()
        small = threads.submit(answer_to, stubs[1], plain(1))
        until(lambda: len(gate.scanned) == 1)
        assert not large.done()
        gate.open.set()
        assert small.result() == alone
        assert isinstance(large.result(), bytes)
