"""The load: Search requests from a process of its own, told what to do by lines of JSON on standard input.

Requests and replies stay bytes here, so that a client costs little beside the server. Each client has a connection of
its own and one request in flight, of one query.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import time
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
from grpc import aio

from shortlist.v1.search_pb2 import SearchRequest
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, Tensor

NUM_QUERIES = 256
METHOD = "/shortlist.v1.SearchService/Search"


class Round(NamedTuple):
    """One measurement: this many clients for so long."""

    clients: int
    seconds: float
    rows_only: bool


def requests_of(dim: int, k: int, *, rows_only: bool) -> list[bytes]:
    """The same in every process."""
    queries = np.random.default_rng(1).standard_normal((NUM_QUERIES, dim), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return [
        SearchRequest(
            queries=Tensor(data_type=DATA_TYPE_FLOAT32, shape=[1, dim], data=query.astype("<f4").tobytes()),
            k=k,
            rows_only=rows_only,
        ).SerializeToString()
        for query in queries
    ]


class Load:
    """Clients of this process, kept from round to round."""

    def __init__(self, target: str, dim: int, k: int, number: int) -> None:
        self._requests = {rows_only: requests_of(dim, k, rows_only=rows_only) for rows_only in (False, True)}
        self._target = target
        self._next = number * 37
        self._searches: list[aio.UnaryUnaryMultiCallable[bytes, bytes]] = []

    async def run(self, round_: Round) -> dict[str, Any]:
        """Latencies in ms of what was answered in time, digests of all replies, the CPU time of this process."""
        for number in range(len(self._searches), round_.clients):
            # Without an option of its own a channel would share the connection of the others.
            channel = aio.insecure_channel(self._target, options=[("bench.client", number)])
            self._searches.append(channel.unary_unary(METHOD))
        latencies_ms: list[float] = []
        replies: dict[int, set[bytes]] = defaultdict(set)
        cpu_s, ends_s = time.process_time(), time.perf_counter() + round_.seconds
        chosen = self._searches[: round_.clients]
        await asyncio.gather(*(self._client(search, round_, ends_s, latencies_ms, replies) for search in chosen))
        digests = {query: sorted(hashlib.sha256(reply).hexdigest() for reply in replies[query]) for query in replies}
        return {"latencies_ms": latencies_ms, "digests": digests, "cpu_s": time.process_time() - cpu_s}

    async def _client(
        self,
        search: aio.UnaryUnaryMultiCallable[bytes, bytes],
        round_: Round,
        ends_s: float,
        latencies_ms: list[float],
        replies: dict[int, set[bytes]],
    ) -> None:
        requests = self._requests[round_.rows_only]
        while (started_s := time.perf_counter()) < ends_s:
            query = self._next = (self._next + 1) % NUM_QUERIES
            reply: bytes = await search(requests[query])
            now_s = time.perf_counter()
            replies[query].add(reply)
            if now_s < ends_s:
                latencies_ms.append((now_s - started_s) * 1e3)


async def serve_rounds(load: Load) -> None:
    """Do what each line asks, until there are no more."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await load.run(Round(**json.loads(line)))), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--k", type=int, required=True)
    parser.add_argument("--number", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve_rounds(Load(arguments.target, arguments.dim, arguments.k, arguments.number)))


if __name__ == "__main__":
    main()
